"""A property of the decoded clean estimate over the steps, against the final audio: numbers, sentence, figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from analysis.bootstrap import Interval, bootstrap
from analysis.emergence.accumulator import BLOCKS
from analysis.properties.base import Property
from harness.decoding.summary import listed
from harness.report import plots

FloatArray = NDArray[np.float32]

REQUIRED_SHARE = 0.9
"""Share of frames that must agree for a step to count as settled."""
NONE = "–"
"""Written where a property exists nowhere."""
LEAST_SHARE = 0.05
"""Shares below this are next to none, in words."""
MIN_SPAN = 12
"""Least range of an axis in tolerances, so that a steady value is not drawn as a mountain range."""


@dataclass(frozen=True)
class Tracks:
    """One scalar property at the chosen steps. Shape letters: R chosen steps, T frames."""

    measured: Property
    steps: NDArray[np.int64]
    """``[R]`` increasing."""
    t: NDArray[np.float64]
    """``[R]`` times of the steps."""
    time_s: FloatArray
    """``[T]`` times of the frames."""
    values: FloatArray
    """``[R, T]`` in the property's unit, NaN where it does not exist (no pitch, silence)."""
    final: FloatArray
    """``[T]`` the same of the final audio."""

    @property
    def name(self) -> str:
        """Name of the property."""
        return self.measured.name

    @property
    def unit(self) -> str:
        """Unit in one word."""
        return self.measured.unit.split()[0]

    @property
    def tolerance(self) -> str:
        """Largest difference that counts as the same, with its unit."""
        return f"{self.measured.tolerance:g} {self.unit}"

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """``[R]`` share of the final audio's frames that the estimate has within the tolerance; NaN without frames."""
        exists = np.isfinite(self.final)
        if not self.exists:
            return np.full(len(self.steps), np.nan)
        return np.asarray(self.measured.agrees(self.values[:, exists], self.final[exists]).mean(axis=1))

    @cached_property
    def share_interval(self) -> Interval:
        """``share`` with its bootstrap interval over stretches of frames; its ends are NaN without frames."""
        exists = np.isfinite(self.final)
        if not self.exists:
            return Interval(self.share, self.share, self.share)
        agrees = self.measured.agrees(self.values[:, exists], self.final[exists]).T
        stretches = (np.arange(len(exists)) * BLOCKS // len(exists))[exists]
        counted = np.concatenate([agrees, np.ones((len(agrees), 1))], axis=1)
        return bootstrap(counted, stretches, lambda sums: sums[..., :-1] / sums[..., -1:])

    @property
    def baseline(self) -> float:
        """Share of frames that the best constant answer gets right; NaN without frames."""
        values = np.sort(self.final[np.isfinite(self.final)])
        if not len(values):
            return float("nan")
        within = np.searchsorted(values, values + 2 * self.measured.tolerance, side="right") - np.arange(len(values))
        return float(within.max() / len(values))

    @property
    def commit(self) -> int | None:
        """Index of the first chosen step from which on the share stays at ``REQUIRED_SHARE`` or above."""
        settled = np.logical_and.accumulate((self.share >= REQUIRED_SHARE)[::-1])[::-1]
        return int(np.argmax(settled)) if settled.any() else None

    @property
    def span(self) -> tuple[float, float]:
        """Range to draw: all values of all steps and of the final sound, and at least ``MIN_SPAN`` tolerances."""
        both = np.concatenate([self.values, self.final[None]])
        finite = both[np.isfinite(both)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        margin = max(self.measured.tolerance, (MIN_SPAN * self.measured.tolerance - (high - low)) / 2)
        return low - margin, high + margin

    @property
    def exists(self) -> bool:
        """Whether the final sound has the property in any frame."""
        return bool(np.isfinite(self.final).any())

    @property
    def settled(self) -> str:
        """From when on the final value is there, in words."""
        if self.commit is None:
            return "at no step for good"
        if self.commit == 0:
            return "from the first step"
        return f"from step {self.steps[self.commit]} (t = {self.t[self.commit]:.2f})"

    def typical(self, row: int) -> str:
        """Median of one step in words, or a dash where the property exists nowhere."""
        return typical(self.measured, self.values[row])

    def figure(self) -> go.Figure:
        """Draw a heat map of steps against time, with the final audio as a strip below it on the same scale."""
        figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.86, 0.14], vertical_spacing=0.04)
        low, high = self.span
        columns = plots.thin(len(self.time_s))
        labels = [str(step) for step in self.steps]
        for row, (names, values) in enumerate([(labels, self.values), (["final"], self.final[None])], start=1):
            kept = values[:, columns]
            figure.add_trace(
                plots.heatmap(
                    self.time_s[columns],
                    names,
                    kept,
                    "",
                    zmin=low,
                    zmax=high,
                    showscale=row == 1,
                    colorbar=plots.ticks(self.name, self.measured.format, low, high),
                    text=[
                        [self.measured.format(float(v)) if np.isfinite(v) else "none" for v in line] for line in kept
                    ],
                    hovertemplate="%{text} at %{x:.2f} s, step %{y}<extra></extra>",
                ),
                row=row,
                col=1,
            )
        figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
        figure.update_yaxes(title="step", row=1, col=1)
        figure.update_xaxes(showgrid=False)
        figure.update_xaxes(title="time (s)", row=2, col=1)
        return plots.finish(figure, height=330)


def typical(measured: Property, values: FloatArray) -> str:
    """Median of ``values`` in the property's own words, or a dash where all are NaN."""
    finite = values[np.isfinite(values)]
    return measured.format(float(np.median(finite))) if finite.size else NONE


def finding(tracks: tuple[Tracks, ...], step_count: int, final_name: str) -> str:
    """Say from which step on the clean estimate has what the final sound has, and what it had at the start."""
    if not tracks:
        return "No step was finished, so there is nothing to compare."
    there = [track for track in tracks if track.exists]
    decided = sorted((track for track in there if track.commit is not None), key=lambda track: track.commit or 0)
    clauses = [f"{track.name} by step {track.steps[track.commit or 0]}" for track in decided]
    sentences = []
    if clauses:
        clauses[0] = clauses[0].replace(" by", " was decided by", 1) + f" of {step_count}"
        sentences.append(listed(clauses))
    never = [track.name for track in there if track.commit is None]
    if never:
        sentences.append(f"{listed(never)} was never decided for good")
    if there:
        known = [f"{track.name} in {track.share[0]:.0%}" for track in there if track.share[0] >= LEAST_SHARE]
        predicted = f"already predicted {listed(known)} of the frames" if known else "predicted next to none of it"
        sentences.append(f"the noise and the prompt alone {predicted}")
    found = "; ".join(sentences)
    lacking = [f"The {final_name} has no {track.name}." for track in tracks if not track.exists]
    return " ".join([f"{found[:1].upper()}{found[1:]}.", *lacking] if found else lacking)
