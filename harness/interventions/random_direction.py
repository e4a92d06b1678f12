"""The control: an edit of the same size in a random direction."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.schedule import Schedule
from harness.interventions.site import Site


@dataclass(frozen=True)
class RandomDirection(Intervention):
    """Moves every frame as far as ``like`` would move it, all in one random direction, at the times of ``like``.

    The direction stays the same over steps and frames, as the directions of steering do, so that it adds up likewise.
    """

    like: Intervention
    """Whose size to match; its schedule, hook point, strength and norm keeping are taken over."""
    seed: int = 0
    """Of the direction."""
    schedule: Schedule = field(init=False, kw_only=True)
    at: str = field(init=False, kw_only=True)
    strength: float = field(init=False, kw_only=True)
    keep_norm: bool = field(init=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("schedule", "at", "strength", "keep_norm"):
            object.__setattr__(self, name, getattr(self.like, name))
        super().__post_init__()

    def prepare(self, site: Site) -> Edit:
        """Prepare ``like``."""
        edit_like = self.like.prepare(site)

        def edit(value: Tensor, moment: Moment) -> Tensor:
            size = (edit_like(value, moment) - value).norm(dim=-1, keepdim=True)
            random = torch.Generator().manual_seed(self.seed)
            direction = torch.randn(value.shape[-1], generator=random).to(value.device)
            moved: Tensor = value + size * (direction / direction.norm())
            return moved

        return edit
