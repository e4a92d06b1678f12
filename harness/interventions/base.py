"""What every kind of intervention is: data, and a way to make its edit for one generation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from generators.base import HookPoint
from harness.errors import InputError
from harness.interventions.schedule import Schedule
from harness.interventions.site import Site

TINY = 1e-30


class Moment(NamedTuple):
    """When an edit is asked for, and how much of it."""

    point: HookPoint
    strength: float
    """The intervention's strength times the schedule's; never 0."""


Edit = Callable[[Tensor, Moment], Tensor]
"""``(value [B, T, C] in float32, moment) -> edited value``; it may keep state over the steps of one generation."""


@dataclass(frozen=True)
class Intervention(ABC):
    """Base class of all kinds: frozen dataclasses of plain values, so that they can be stored and replayed.

    A new kind is one file with a subclass and one line in ``harness.interventions.KINDS``. The fields here are given by
    keyword. Raises ``InputError`` for values that cannot be used.
    """

    schedule: Schedule = field(default_factory=Schedule, kw_only=True)
    """When, where and in which branch it acts."""
    at: str = field(default="x1_hat", kw_only=True)
    """Hook point: ``x1_hat``, ``x_t``, ``velocity``, or a module path of the denoiser."""
    strength: float = field(default=1.0, kw_only=True)
    """Multiplies the edit; 0 changes nothing, to the last bit."""
    keep_norm: bool = field(default=False, kw_only=True)
    """Whether every edited frame is set back to the length it had."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.strength):
            raise InputError(f"strength is {self.strength}; give a finite number, 0 for no change")

    def apply(self, edit: Edit, value: Tensor, moment: Moment) -> Tensor:
        """Run an edit that ``prepare`` returned on ``value [B, T, C]`` in float32, frames' lengths kept if asked."""
        edited = edit(value, moment)
        if not self.keep_norm:
            return edited
        lengths: Tensor = value.norm(dim=-1, keepdim=True) / edited.norm(dim=-1, keepdim=True).clamp_min(TINY)
        return edited * lengths

    @abstractmethod
    def prepare(self, site: Site) -> Edit:
        """Check that this fits ``site`` and return the edit for one generation.

        Raises ``InputError`` or ``SourceError`` saying what is wrong and what is allowed.
        """
