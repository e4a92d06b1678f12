"""Stop an intervention where its aim is reached."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import InputError
from harness.interventions.add import class_of
from harness.interventions.base import Edit, Moment
from harness.interventions.reading import ProbeReader
from harness.interventions.site import Site
from harness.interventions.wrapping import Wrapping


@dataclass(frozen=True)
class Until(Wrapping):
    """Lets ``like`` act on a frame until the probe decodes the target from the estimate, or goes past it.

    A frame that has got there is left alone from then on. ``SetProperty`` needs no such thing: it closes in by itself.
    """

    property: str
    """Property that is watched."""
    to: float
    """Target, in the property's unit; within the probe's tolerance is reached."""

    def prepare(self, site: Site) -> Edit:
        """Prepare ``like``; check that the probe knows the target."""
        if self.at != "x1_hat":
            raise InputError(f"the probe reads the clean estimate, so until works at x1_hat, not at {self.at}")
        probe = site.probe(self.property)
        class_of(probe, self.to)
        reader, edit_like = ProbeReader(probe, site), self.like.prepare(site)
        side: Tensor | None = None
        done = torch.tensor(False)

        def edit(value: Tensor, moment: Moment) -> Tensor:
            nonlocal side, done
            missing = self.to - reader.values(value)
            side = missing.sign() if side is None else side
            done = done.to(value.device) | (missing * side <= probe.info.tolerance)
            return torch.where(done[..., None], value, edit_like(value, moment))

        return edit
