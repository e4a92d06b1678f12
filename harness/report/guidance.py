"""What guidance adds: sizes and angles in latent space, and what each branch holds of the final sound. T frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import torch
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from harness.decoding.artifacts import CLEAN, Artifacts
from harness.decoding.decode import Decoded
from harness.report import plots
from harness.report.latents import MAX_ROWS, degrees, rms
from harness.store.format import GUIDED
from harness.store.reader import Trace

FloatArray = NDArray[np.float64]

COND, UNCOND = "cond", "uncond"
NAMES = {COND: "with the prompt (cond)", UNCOND: "without it (uncond)", GUIDED: "guided"}


@dataclass(frozen=True)
class Push:
    """Guidance in latent space. Shape letters: K drawn steps."""

    steps: NDArray[np.int64]
    """``[K]``."""
    share: FloatArray
    """``[K]`` RMS of guided minus cond velocity, as a share of the cond velocity's."""
    angle: FloatArray
    """``[K]`` degrees between the cond and the uncond velocity."""

    @classmethod
    def of(cls, trace: Trace) -> Push | None:
        """Measure at most ``MAX_ROWS`` finished steps; None for a trace without both branches."""
        if not {COND, UNCOND} <= set(trace.branches) or not trace.steps:
            return None
        steps = plots.thin(trace.steps, MAX_ROWS)
        rows = []
        for step in map(int, steps):
            cond, uncond = (trace.velocity_of(branch)[step] for branch in (COND, UNCOND))
            size = float(rms(cond)) or 1.0
            rows.append((float(rms(trace.velocity[step] - cond)) / size, degrees(cond, uncond)))
        share, angle = np.array(rows).T
        return cls(steps, share, angle)

    def figure(self) -> go.Figure:
        """Draw both over the steps, one above the other."""
        figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
        for row, (name, values) in enumerate((("added share", self.share), ("angle", self.angle)), start=1):
            figure.add_scatter(
                x=self.steps.astype(np.float32),
                y=values.astype(np.float32),
                name=name,
                mode="lines",
                line=plots.line(row - 1),
                showlegend=False,
                hovertemplate=f"{name} %{{y:.2f}} at step %{{x}}<extra></extra>",
                row=row,
                col=1,
            )
        figure.update_yaxes(title="added", tickformat=".0%", rangemode="tozero", row=1, col=1)
        figure.update_yaxes(title="angle (°)", rangemode="tozero", row=2, col=1)
        figure.update_xaxes(title="step", row=2, col=1)
        return plots.finish(figure, height=340)


@dataclass(frozen=True)
class BranchReadings:
    """What probes read in the clean estimate of each branch. Shape letters: K drawn steps."""

    steps: NDArray[np.int64]
    """``[K]``."""
    probability: Mapping[str, Mapping[str, FloatArray]]
    """Property -> branch -> ``[K]`` mean probability of the class that the final sound has."""

    @classmethod
    def of(cls, trace: Trace, decoded: Decoded, artifacts: Artifacts) -> BranchReadings:
        """Read at most ``MAX_ROWS`` steps; the guided branch comes from the decode."""
        steps = plots.thin(decoded.steps, MAX_ROWS)
        there = {name: part for name, part in decoded.properties.items() if (part.target >= 0).any()}
        found: dict[str, dict[str, list[float]]] = {name: {branch: [] for branch in NAMES} for name in there}
        for step in map(int, steps):
            for branch in (COND, UNCOND):
                with torch.inference_mode():
                    features = artifacts.read(np.asarray(trace.x1_hat(step, branch), np.float32))
                    for name, part in there.items():
                        probe = artifacts.probes[name]
                        of_all = probe.probabilities(features.of(probe), float(trace.t[step]))
                        found[name][branch].append(_mean_of(of_all, part.target))
            for name, part in there.items():
                found[name][GUIDED].append(_mean_of(part.probabilities["x1_hat", CLEAN][step], part.target))
        return cls(steps, {name: {b: np.array(v) for b, v in rows.items()} for name, rows in found.items()})

    def gain(self, name: str) -> FloatArray:
        """``[K]`` what guidance adds to the probability, over the cond branch."""
        return self.probability[name][GUIDED] - self.probability[name][COND]

    def figure(self) -> go.Figure:
        """Draw a row a property with a line a branch."""
        names = [*self.probability]
        figure = make_subplots(
            rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=[*names]
        )
        for row, name in enumerate(names, start=1):
            for index, (branch, label) in enumerate(NAMES.items()):
                figure.add_scatter(
                    x=self.steps.astype(np.float32),
                    y=self.probability[name][branch].astype(np.float32),
                    name=label,
                    mode="lines",
                    line=plots.line(index),
                    showlegend=row == 1,
                    hovertemplate="%{y:.2f} at step %{x}<extra></extra>",
                    row=row,
                    col=1,
                )
            figure.update_yaxes(title="probability", range=[-0.03, 1.03], row=row, col=1)
        figure.update_xaxes(title="step", row=len(names), col=1)
        return plots.finish(figure, height=110 + 150 * len(names)).update_layout(margin_t=64, legend_y=1.06)


def _mean_of(probabilities: NDArray[np.floating], target: NDArray[np.int64]) -> float:
    """Mean probability of the target class over the frames that have one."""
    known = np.flatnonzero(target >= 0)
    return float(probabilities[known, target[known]].mean(dtype=np.float64))
