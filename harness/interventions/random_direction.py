"""The control: an edit of the same size in a random direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import InputError
from harness.interventions.base import Edit, Moment
from harness.interventions.site import Site
from harness.interventions.wrapping import Wrapping


@dataclass(frozen=True)
class RandomDirection(Wrapping):
    """Moves every frame as far as ``like`` would move it, all in one random direction, at the times of ``like``.

    The direction stays the same over steps and frames, as the directions of steering do, so that it adds up likewise.
    An intervention that heads for a target never gets there in a random direction, and so would push for longer than
    it does itself: for that, give the sizes that it had, as its trace records them.
    """

    seed: int = 0
    """Of the direction."""
    relative_norms: tuple[float, ...] | None = None
    """Norm of the edit at every update, relative to what it edits; None = what ``like`` would do to the same value."""

    def prepare(self, site: Site) -> Edit:
        """Prepare ``like``, or take the sizes that are given."""
        size_of = self._size_as_wanted(site) if self.relative_norms is None else self._size_as_given(site)

        def edit(value: Tensor, moment: Moment) -> Tensor:
            size = size_of(value, moment)
            random = torch.Generator().manual_seed(self.seed)
            direction = torch.randn(value.shape[-1], generator=random).to(value.device)
            moved: Tensor = value + size * (direction / direction.norm())
            return moved

        return edit

    def _size_as_wanted(self, site: Site) -> Edit:
        edit_like = self.like.prepare(site)
        return lambda value, moment: (edit_like(value, moment) - value).norm(dim=-1, keepdim=True)

    def _size_as_given(self, site: Site) -> Edit:
        updates, norms = len(site.plan.times) - 1, self.relative_norms or ()
        if len(norms) != updates or not all(math.isfinite(norm) and norm >= 0 for norm in norms):
            raise InputError(
                f"relative_norms are {len(norms)} numbers; give one, 0 or more, for each of {updates} updates"
            )
        mask = self.schedule.frame_mask(site.plan.frames, site.generator.codec.frame_rate_hz)
        frames = site.plan.frames if mask is None else int(mask.sum())

        def size(value: Tensor, moment: Moment) -> Tensor:
            whole = norms[moment.point.step] * value.flatten(1).norm(dim=1)
            shared: Tensor = (whole / frames**0.5).reshape(-1, *[1] * (value.ndim - 1))
            return shared

        return size
