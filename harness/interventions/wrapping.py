"""What interventions about another intervention have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.interventions.base import Intervention
from harness.interventions.schedule import Schedule


@dataclass(frozen=True)
class Wrapping(Intervention):
    """Acts when and where ``like`` acts: its schedule, hook point, strength and norm keeping are taken over."""

    like: Intervention
    """The other intervention."""
    schedule: Schedule = field(init=False, kw_only=True)
    at: str = field(init=False, kw_only=True)
    strength: float = field(init=False, kw_only=True)
    keep_norm: bool = field(init=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("schedule", "at", "strength", "keep_norm"):
            object.__setattr__(self, name, getattr(self.like, name))
        super().__post_init__()
