"""The latents themselves, without any codec: energy per frame; size, change and turn per step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from harness.report import plots
from harness.store.reader import Trace

FloatArray = NDArray[np.float32]

MAX_ROWS = 128
"""Most steps drawn or listed; longer trajectories are thinned."""


@dataclass(frozen=True)
class Energy:
    """RMS over channels of every frame. Shape letters: K drawn steps, T drawn frames."""

    steps: NDArray[np.int64]
    """``[K]``."""
    time_s: FloatArray
    """``[T]``."""
    x_t: FloatArray
    """``[K, T]`` of the state before the step's update."""
    x1_hat: FloatArray
    """``[K, T]`` of the clean estimate."""

    @classmethod
    def of(cls, trace: Trace) -> Energy:
        """Measure at most ``MAX_ROWS`` finished steps and ``plots.MAX_POINTS`` frames."""
        steps = plots.thin(trace.steps, MAX_ROWS)
        frames = plots.thin(trace.x_t[0].shape[0])
        x_t = np.stack([rms(trace.x_t[int(step)][frames], axis=1) for step in steps])
        x1_hat = np.stack([rms(trace.x1_hat(int(step))[frames], axis=1) for step in steps])
        return cls(steps, ((frames + 0.5) / trace.frame_rate_hz).astype(np.float32), x_t, x1_hat)

    def figure(self) -> go.Figure:
        """Draw both as heat maps over time and step, on one scale."""
        figure = make_subplots(
            rows=2,
            cols=1,
            shared_xaxes=True,
            vertical_spacing=0.13,
            subplot_titles=["state x_t", "clean estimate x1_hat"],
        )
        high = float(max(self.x_t.max(), self.x1_hat.max()))
        steps = self.steps.astype(np.float32)
        for row, values in enumerate((self.x_t, self.x1_hat), start=1):
            heat = plots.heatmap(
                self.time_s,
                steps,
                values,
                "RMS (latent units)",
                zmin=0,
                zmax=high,
                showscale=row == 1,
                hovertemplate="%{z:.2f} at %{x:.2f} s, step %{y}<extra></extra>",
            )
            figure.add_trace(heat, row=row, col=1)
        figure.update_yaxes(title="step", showgrid=False, autorange="reversed")
        figure.update_xaxes(showgrid=False)
        figure.update_xaxes(title="time (s)", row=2, col=1)
        return plots.finish(figure, height=440)


@dataclass(frozen=True)
class Norms:
    """Root mean square over all frames and channels. Shape letters: S finished steps."""

    x_t: FloatArray
    """``[S]`` of the state before each update."""
    velocity: FloatArray
    """``[S]`` of the guided velocity."""
    x_t_change: FloatArray
    """``[S - 1]`` of the difference between one state and the next."""
    velocity_change: FloatArray
    """``[S - 1]`` of the difference between one velocity and the next."""
    x_t_turn: FloatArray
    """``[S - 1]`` degrees between one state and the next."""
    velocity_turn: FloatArray
    """``[S - 1]`` degrees between one velocity and the next."""

    @classmethod
    def of(cls, trace: Trace) -> Norms:
        """Measure every finished step, holding two at a time in memory."""
        rows: dict[str, list[float]] = {
            f"{name}{what}": [] for name in ("x_t", "velocity") for what in ("", "_change", "_turn")
        }
        before: dict[str, FloatArray] = {}
        for step in range(trace.steps):
            for name, value in (("x_t", trace.x_t[step]), ("velocity", trace.velocity[step])):
                rows[name].append(float(rms(value)))
                if step:
                    rows[f"{name}_change"].append(float(rms(value - before[name])))
                    rows[f"{name}_turn"].append(degrees(before[name], value))
                before[name] = value
        return cls(**{name: np.asarray(values, dtype=np.float32) for name, values in rows.items()})

    def figure(self) -> go.Figure:
        """Draw sizes, changes and turns per step, one below the other."""
        titles = ("size (RMS)", "change (RMS)", "turn (degrees)")
        figure = make_subplots(rows=len(titles), cols=1, shared_xaxes=True, vertical_spacing=0.06)
        parts = ((self.x_t, self.x_t_change, self.x_t_turn), (self.velocity, self.velocity_change, self.velocity_turn))
        for index, (name, rows) in enumerate(zip(("state x_t", "velocity"), parts, strict=True)):
            for row, values in enumerate(rows, start=1):
                figure.add_scatter(
                    x=np.arange(len(values), dtype=np.float32),
                    y=values,
                    name=name,
                    mode="lines",
                    line=plots.line(index),
                    showlegend=row == 1,
                    hovertemplate="%{y:.3f} at step %{x}<extra></extra>",
                    row=row,
                    col=1,
                )
        for row, title in enumerate(titles, start=1):
            figure.update_yaxes(title=title, rangemode="tozero", row=row, col=1)
        figure.update_xaxes(title="step", row=len(titles), col=1)
        return plots.finish(figure, height=480)


def degrees(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Angle between two arrays taken as vectors; 0 where one of them is all zeros."""
    x, y = (np.asarray(part, np.float64).ravel() for part in (a, b))
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(np.degrees(np.arccos(np.clip(x @ y / size, -1, 1)))) if size else 0.0


def rms(values: NDArray[np.floating], axis: int | None = None) -> FloatArray:
    """Root mean square over ``axis``, or over everything."""
    return np.asarray(np.sqrt(np.square(values, dtype=np.float64).mean(axis=axis)), dtype=np.float32)
