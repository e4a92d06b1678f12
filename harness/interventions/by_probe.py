"""Setting a property where no moves were fitted: along the probe's own weights, through the SAE's decoder."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from analysis.probes import Probe
from analysis.sae.base import SAE
from harness.errors import InputError
from harness.interventions.base import Moment

STEP, MOST_STEPS = 0.05, 24
"""Length of one trial step relative to the frame's norm, and how many are tried."""


class ByProbe:
    """The edit of one generation: every frame moves until the probe decodes the target class, or as far as is tried.

    The direction is the difference of the two classes' weights, decoded. It moves the probe, but not always the sound.
    """

    def __init__(self, change: float | None, to: float | None, probe: Probe, sae: SAE) -> None:
        if probe.info.bins is None:
            raise InputError(f"the {probe.info.property} probe is a regression; steering needs one with classes")
        self._change, self._to, self._sae, self._bins = change, to, sae, probe.info.bins
        linear = probe.at(1.0)
        self._weights, self._bias = linear.weights.to(sae.b_dec.device), linear.bias.to(sae.b_dec.device)
        self._target: Tensor | None = None

    def __call__(self, value: Tensor, moment: Moment) -> Tensor:
        """Move ``value [B, T, C]`` to the target."""
        now = self._read(value)
        if self._target is None:
            centres = self._bins.centres
            goal = centres[now.cpu()] + (self._change or 0.0) if self._to is None else np.full(now.shape, self._to)
            classes = self._bins.index(np.clip(goal, centres[0], centres[-1]))
            self._target = torch.from_numpy(classes).to(now.device)
        direction = (self._weights.T[self._target] - self._weights.T[now]) @ self._sae.W_dec
        direction = direction / direction.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        edited, size = value, STEP * value.norm(dim=-1, keepdim=True)
        for _ in range(MOST_STEPS):
            missing = self._read(edited) != self._target
            if not bool(missing.any()):
                break
            edited = torch.where(missing[..., None], edited + size * direction, edited)
        return value + moment.strength * (edited - value)

    def _read(self, value: Tensor) -> Tensor:
        return (self._sae.encode(value) @ self._weights + self._bias).argmax(-1)
