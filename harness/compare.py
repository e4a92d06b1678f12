"""The same request and noise with several step counts and schedulers, on one axis."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.base import GenerationRequest, Generator
from generators.codecs.base import Codec
from harness import runs
from harness.decoding.artifacts import CLEAN, Artifacts
from harness.decoding.decode import decode
from harness.decoding.emergence import measure
from harness.errors import InputError
from harness.files import check_output, write_json
from harness.pipeline import Progress, run
from harness.store.reader import Trace, open_trace

Array = NDArray[np.float64]
OWN_END = "distance to its own end"
REFERENCE_END = "distance to the reference's end"
GRID = 101
"""Points in t at which curves are compared."""
TABLE = "compare.json"


@dataclass(frozen=True)
class Arm:
    """One way to sample."""

    steps: int
    scheduler: str | None = None
    """Class of the scheduler; None = the generator's own."""

    @property
    def name(self) -> str:
        """What its folder and its curve are called."""
        return f"{self.steps} steps" + (f", {self.scheduler}" if self.scheduler else "")

    def of(self, request: GenerationRequest) -> GenerationRequest:
        """Return ``request`` sampled this way."""
        options = {**request.options, **({"scheduler": self.scheduler} if self.scheduler else {})}
        return dataclasses.replace(request, num_inference_steps=self.steps, options=options)


@dataclass(frozen=True)
class ArmCurves:
    """What the steps of one arm already knew."""

    name: str
    t: Array
    """``[S + 1]``."""
    measures: Mapping[str, Array]
    """``[S + 1]`` each: distances of the clean estimate, and shares of frames that decode right."""

    @property
    def log_snr(self) -> Array:
        """``[S + 1]`` ``2 ln(alpha / sigma)``, which is ``2 ln(t / (1 - t))``; infinite at the ends."""
        with np.errstate(divide="ignore"):
            return np.asarray(2 * (np.log(self.t) - np.log1p(-self.t)), np.float64)

    def at(self, measure: str, t: Array) -> Array:
        """Interpolate a measure linearly in t."""
        return np.asarray(np.interp(t, self.t, self.measures[measure]), np.float64)


@dataclass(frozen=True)
class Comparison:
    """All arms of one request; the first is the reference."""

    request: GenerationRequest
    generator: str
    arms: tuple[ArmCurves, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what every arm has."""
        return tuple(name for name in self.arms[0].measures if all(name in arm.measures for arm in self.arms))

    def spread(self, measure: str) -> Array:
        """``[GRID]``: largest minus smallest value over the arms at the same t, where all of them have been."""
        t = np.linspace(max(arm.t[0] for arm in self.arms), 1.0, GRID)
        values = np.stack([arm.at(measure, t) for arm in self.arms])
        return np.asarray(values.max(axis=0) - values.min(axis=0), np.float64)

    @property
    def finding(self) -> str:
        """Say in a sentence or two how far the arms differ at the same t."""
        own, end = self.spread(OWN_END), self.spread(REFERENCE_END)[-1]
        return (
            f"At the same t, {len(self.arms)} ways to sample differ in their {OWN_END} by {own.mean():.3f} on average "
            f"and by {own.max():.3f} at most; their ends lie up to {end:.3f} of the reference's norm from it."
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready; infinities are null."""
        return {
            "generator": self.generator,
            "request": dataclasses.asdict(self.request),
            "finding": self.finding,
            "spread": {
                name: {"mean": self.spread(name).mean(), "max": self.spread(name).max()} for name in self.measures
            },
            "arms": {
                arm.name: {
                    "t": arm.t.tolist(),
                    "log_snr": [value if np.isfinite(value) else None for value in arm.log_snr.tolist()],
                    **{name: values.tolist() for name, values in arm.measures.items()},
                }
                for arm in self.arms
            },
        }


def arms_of(steps: Sequence[int], schedulers: Sequence[str]) -> tuple[Arm, ...]:
    """Combine step counts and schedulers, most steps first. Raises ``InputError`` for fewer than two arms."""
    counts = sorted(set(steps), reverse=True)
    arms = [Arm(count, name) for name, count in itertools.product(schedulers or (None,), counts)]
    if len(arms) < 2:
        raise InputError("there is nothing to compare; give at least two step counts or two schedulers")
    return tuple(arms)


def compare(
    generator: Generator,
    request: GenerationRequest,
    arms: Sequence[Arm],
    out: Path,
    *,
    artifacts: Artifacts | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Run ``request`` in every arm, from the same noise, into ``out/NAME``; write ``compare.json``.

    With ``artifacts`` the properties they know are decoded; distances are always measured.

    Raises
    ------
    RequestError, InputError
        For an arm the generator cannot serve, or without clean estimates, before the first one runs.
    ExistsError, StorageError
        For a folder that is taken, or cannot be written.
    """
    requests = [arm.of(request) for arm in arms]
    for asked in requests:
        if generator.plan(asked).sampler.get("recorded") == "x_t":
            raise InputError("clean estimates are compared, and record=x_t records states alone; leave it out")
    check_output(out, force=force)
    folders = [out / arm.name.replace(", ", "-").replace(" ", "-") for arm in arms]
    for asked, folder in zip(requests, folders, strict=True):
        run(generator, [asked], folder, trace=True, force=force, progress=progress)
    with open_trace(folders[0] / runs.TRACE) as trace:
        end = np.asarray(trace.x_t[len(trace.t) - 1], np.float64)
    curves = []
    for arm, folder in zip(arms, folders, strict=True):
        with open_trace(folder / runs.TRACE) as trace:
            decoded = _decoded(trace, artifacts, generator.codec) if artifacts else {}
            measures = {**_distances(trace, end), **decoded}
            curves.append(ArmCurves(arm.name, np.asarray(trace.t, np.float64), measures))
    comparison = Comparison(generator.resolve(request), generator.id, tuple(curves))
    write_json(out / TABLE, comparison.to_json())
    return comparison


def _distances(trace: Trace, reference: Array) -> dict[str, Array]:
    """Distance of every clean estimate to the arm's own end and to the reference's, relative to the end's norm."""
    estimates = [np.asarray(trace.x1_hat(step), np.float64) for step in range(len(trace.t))]
    ends = {OWN_END: estimates[-1], REFERENCE_END: reference}
    return {
        name: np.array([np.linalg.norm(estimate - end) / np.linalg.norm(end) for estimate in estimates])
        for name, end in ends.items()
    }


def _decoded(trace: Trace, artifacts: Artifacts, codec: Codec) -> dict[str, Array]:
    """Share of frames in which the clean estimate shows a property of the final sound."""
    curves = measure(decode(trace, artifacts, codec))
    return {
        f"{name} decoded right": np.asarray(curve.accuracy.value, np.float64)
        for (name, decoder), curve in curves.items()
        if decoder == ("x1_hat", CLEAN)
    }
