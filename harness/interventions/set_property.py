"""Set a property of the sound: it finds the direction itself, and moves no further than needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analysis.probes import Probe
from analysis.sae.base import SAE
from harness.errors import InputError
from harness.interventions.add import class_of
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.site import Site


@dataclass(frozen=True)
class SetProperty(Intervention):
    """Moves what a property's probe decodes from the clean estimate to a target, in every frame that has the property.

    Give either ``change`` or ``to``, in the unit of the probe (semitones, dB, octaves). A change counts from what the
    estimate showed when the schedule began, so acting at every step does not accumulate.
    """

    property: str
    """Name of the property."""
    change: float | None = None
    """Wanted difference, in the property's unit."""
    to: float | None = None
    """Wanted value, in the property's unit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.change is None) == (self.to is None):
            raise InputError("set-property needs either a change or a value to set to, not both")
        for name in ("change", "to"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"{name} is {value}; give a finite number")
        if self.at != "x1_hat":
            raise InputError(f"set-property acts on the clean estimate x1_hat, not on {self.at}")

    def prepare(self, site: Site) -> Edit:
        """Find the probe and check that it knows the target."""
        probe, sae = site.probe(self.property), site.sae(self.at)
        if self.to is not None:
            class_of(probe, self.to)
        return _Setter(self, probe, sae)


class _Setter:
    """Interim: steps along the decoded difference of class weights until the probe says the target."""

    def __init__(self, wanted: SetProperty, probe: Probe, sae: SAE) -> None:
        self.wanted, self.sae = wanted, sae
        linear = probe.at(1.0)
        self.weights, self.bias = linear.weights.to(sae.b_dec.device), linear.bias.to(sae.b_dec.device)
        if probe.info.bins is None:
            raise InputError(f"the {wanted.property} probe is a regression")
        self.bins = probe.info.bins
        self.target: Tensor | None = None

    def _read(self, value: Tensor) -> Tensor:
        return (self.sae.encode(value) @ self.weights + self.bias).argmax(-1)

    def __call__(self, value: Tensor, moment: Moment) -> Tensor:
        now = self._read(value)
        if self.target is None:
            centres = self.bins.centres
            goal = self.wanted.to if self.wanted.to is not None else centres[now.cpu()] + (self.wanted.change or 0.0)
            classes = self.bins.index(np.clip(goal, centres[0], centres[-1]))
            self.target = torch.from_numpy(classes).to(now.device).expand_as(now)
        direction = (self.weights.T[self.target] - self.weights.T[now]) @ self.sae.W_dec
        direction = direction / direction.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        edited = value
        size = 0.05 * value.norm(dim=-1, keepdim=True)
        for _ in range(16):
            missing = self._read(edited) != self.target
            if not bool(missing.any()):
                break
            edited = torch.where(missing[..., None], edited + size * direction, edited)
        return value + moment.strength * (edited - value)
