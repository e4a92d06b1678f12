"""The way through latent space, seen from the side that shows most of it: principal components of the states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from harness.report import plots
from harness.report.latents import MAX_ROWS
from harness.store.reader import Trace

AXES = 2


@dataclass(frozen=True)
class LatentPath:
    """States and clean estimates on the first two principal components of the states. K drawn states."""

    steps: NDArray[np.int64]
    """``[K]``."""
    x_t: NDArray[np.float64]
    """``[K, 2]``."""
    x1_hat: NDArray[np.float64]
    """``[K, 2]`` on the same components; the last state of a complete trace is its own estimate."""
    explained: NDArray[np.float64]
    """``[2]`` share of the states' variance along each component."""

    @classmethod
    def of(cls, trace: Trace) -> LatentPath | None:
        """Project at most ``MAX_ROWS`` recorded states; None where fewer than three give no plane."""
        states = trace.steps + int(trace.steps == len(trace.t) - 1 and len(trace.x_t) > trace.steps)
        steps = plots.thin(states, MAX_ROWS)
        if len(steps) <= AXES:
            return None
        rows = np.stack([np.asarray(trace.x_t[int(step)], np.float32).ravel() for step in steps])
        mean = rows.mean(axis=0)
        rows -= mean
        variance, vectors = np.linalg.eigh(rows.astype(np.float64) @ rows.T)
        variance, vectors = variance[::-1].clip(0), vectors[:, ::-1][:, :AXES]
        if variance[AXES - 1] <= np.finfo(np.float32).eps * variance[0]:
            return None
        axes = vectors.T @ rows / np.sqrt(variance[:AXES, None])
        estimates = [axes @ (np.asarray(trace.x1_hat(int(step)), np.float32).ravel() - mean) for step in steps]
        return cls(steps, rows @ axes.T, np.stack(estimates), variance[:AXES] / variance.sum())

    def figure(self) -> go.Figure:
        """Draw both ways on one scale, their ends named."""
        figure = go.Figure()
        for index, (name, way) in enumerate((("state x_t", self.x_t), ("clean estimate x1_hat", self.x1_hat))):
            figure.add_scatter(
                x=way[:, 0].astype(np.float32),
                y=way[:, 1].astype(np.float32),
                name=name,
                mode="lines+markers",
                line=plots.line(index),
                marker={**plots.marker(index), "size": 7},
                text=[f"step {step}" for step in self.steps],
                hovertemplate=f"{name}, %{{text}}<extra></extra>",
            )
        ends = {(way[row, 0], way[row, 1]): self.steps[row] for way in (self.x_t, self.x1_hat) for row in (0, -1)}
        for (x, y), step in ends.items():  # the last state is its own estimate, and is named once
            figure.add_annotation(x=float(x), y=float(y), text=f"step {step}", showarrow=False, yshift=14)
        for axis, update in enumerate((figure.update_xaxes, figure.update_yaxes)):
            update(title=f"component {axis + 1} ({self.explained[axis]:.1%} of the variance)")
        figure.update_yaxes(scaleanchor="x", constrain="domain")
        return plots.finish(figure, height=420)
