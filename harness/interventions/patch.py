"""Put what another run held in the place of a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.base import HookPoint
from harness.errors import InputError
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.site import Site
from harness.store.format import GUIDED
from harness.store.reader import Trace, open_trace

SAMPLER_POINTS = ("x_t", "x1_hat", "velocity")


@dataclass(frozen=True)
class Patch(Intervention):
    """Replaces a value by that of another trace at the same t (the recorded step nearest to it).

    A trace patched with itself changes nothing; ``x_t`` patched at one step continues as the other run did, if prompt,
    guidance and steps are the same. Hidden states change nothing only if they were recorded as float32.
    """

    trace: str
    """Trace file of the other run."""

    def prepare(self, site: Site) -> Edit:
        """Compare the trace with what is about to run."""
        with open_trace(self.trace) as trace:
            _require(trace, self.at, site)

        def edit(value: Tensor, moment: Moment) -> Tensor:
            with open_trace(self.trace) as trace:
                other = torch.from_numpy(np.array(_read(trace, moment.point))).to(value)
            if other.shape != value.shape[1:]:
                raise InputError(
                    f"{self.trace}: {self.at} has shape {tuple(other.shape)}, here it is {tuple(value.shape[1:])}"
                )
            replaced = other.expand_as(value)
            return replaced if moment.strength == 1 else value + moment.strength * (replaced - value)

        return edit


def _require(trace: Trace, at: str, site: Site) -> None:
    """Raise ``InputError`` unless ``trace`` holds values of ``at`` that fit."""
    if not trace.steps:
        raise InputError(f"{trace.path} holds no finished step to patch from")
    mine = site.source(at, site.plan.channels)
    theirs = (
        (trace.codec_id, trace.metadata["codec_weights_sha256"])
        if at in SAMPLER_POINTS
        else (trace.generator_id, trace.weights_sha256)
    )
    if theirs != (mine.model_id, mine.weights_sha256):
        raise InputError(
            f"{trace.path} was made with {theirs[0]!r}, weights {theirs[1][:12]}; {at} of {mine.model_id!r}, weights "
            f"{mine.weights_sha256[:12]}, cannot be patched from it"
        )
    if at in SAMPLER_POINTS:
        shape = (site.plan.frames, site.plan.channels)
        if trace.x_t.shape[1:] != shape:
            raise InputError(
                f"{trace.path} holds {trace.x_t.shape[1]} frames of {trace.x_t.shape[2]} channels; this run has "
                f"{shape[0]} of {shape[1]}. Patch from a run of the same duration"
            )
        return
    if at not in trace.hidden:
        recorded = ", ".join([*SAMPLER_POINTS, *trace.hidden])
        raise InputError(f"{trace.path} did not record {at}; it has {recorded}. Generate it with --hidden {at}")
    hidden = trace.hidden[at]
    if hidden.axes[0] != "feature" and len(hidden.indices) > 1 and hidden.indices[1] != 1:
        raise InputError(f"{trace.path} holds only every {hidden.indices[1]}-th frame of {at}; record all to patch it")


def _read(trace: Trace, point: HookPoint) -> NDArray[np.generic]:
    """Value ``[T, ...]`` at the recorded step nearest in t."""
    if point.name == "x_t":
        return trace.x_t[_nearest(trace, point.t, range(len(trace.x_t)))]
    if point.name == "x1_hat":
        return trace.x1_hat(_nearest(trace, point.t, range(trace.steps)), point.branch)
    if point.name == "velocity":
        return trace.velocity_of(point.branch or GUIDED)[_nearest(trace, point.t, range(trace.steps))]
    hidden = trace.hidden[point.name]
    return hidden.at(_nearest(trace, point.t, hidden.steps), point.branch or "cond")


def _nearest(trace: Trace, t: float, steps: range | tuple[int, ...]) -> int:
    return min(steps, key=lambda step: abs(float(trace.t[step]) - t))
