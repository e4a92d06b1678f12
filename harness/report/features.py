"""The features a decode rests on, over the whole trajectory: when they fire, where, for what, how they sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import torch
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from harness.decoding.artifacts import Artifacts
from harness.decoding.decode import Decoded
from harness.decoding.top import TopFeature
from harness.report import plots
from harness.report.emergence import class_name
from harness.store.reader import Trace

FloatArray = NDArray[np.float32]

MOST_STEPS, MOST_FRAMES = 64, 256
"""Rows and columns of an activation map."""
HALF = 0.5


@dataclass(frozen=True)
class FeatureUse:
    """One feature that the decode of a property rests on. Shape letters: K drawn steps, T frames, C classes."""

    name: str
    """The property."""
    top: TopFeature
    activation: FloatArray
    """``[K, T]`` in the clean estimate of each step."""
    final: FloatArray
    """``[T]`` in the last recorded state."""
    classes: Sequence[str]
    """``[C]`` the property's classes in its own words."""
    weights: FloatArray
    """``[C]`` of the probe for this feature, less their mean."""

    @property
    def label(self) -> str:
        """Names the feature by what it speaks for."""
        return f"{self.name}: feature {self.top.feature}, speaks for {self.classes[self.top.speaks_for]}"

    @property
    def first(self) -> int | None:
        """Index of the first step at which it fires in any frame."""
        fires = (self.activation > 0).any(axis=1)
        return int(fires.argmax()) if fires.any() else None

    @property
    def settled(self) -> int | None:
        """Index of the step from which on it is, for good, at least half as strong as in the end."""
        mean = self.activation.mean(axis=1)
        strong = np.logical_and.accumulate((mean >= HALF * self.final.mean())[::-1])[::-1]
        return int(strong.argmax()) if strong.any() and self.final.any() else None


@dataclass(frozen=True)
class FeatureMaps:
    """All of them, on the same steps and frames."""

    steps: NDArray[np.int64]
    """``[K]``."""
    time_s: FloatArray
    """``[T]``."""
    uses: Sequence[FeatureUse]

    @classmethod
    def of(cls, trace: Trace, decoded: Decoded, artifacts: Artifacts) -> FeatureMaps:
        """Encode the clean estimate of at most ``MOST_STEPS`` steps, one in memory at a time."""
        steps = plots.thin(trace.steps, MOST_STEPS)
        parts = [(part, top) for part in decoded.properties.values() for top in part.top]
        chosen = np.array([top.feature for _, top in parts], dtype=np.int64)
        states = [*map(int, steps), len(trace.x_t) - 1]
        found = np.stack([activations(artifacts, trace.x1_hat(state), chosen) for state in states])
        uses = []
        for index, (part, top) in enumerate(parts):
            weights = artifacts.probes[part.name].at(1.0).weights[top.feature].numpy()
            names = [class_name(part, i) for i in range(len(part.centres))]
            uses.append(
                FeatureUse(part.name, top, found[:-1, index], found[-1, index], names, weights - weights.mean())
            )
        time_s = ((np.arange(found.shape[2]) + 0.5) / trace.frame_rate_hz).astype(np.float32)
        return cls(steps, time_s, uses)

    def figure(self, shown: int = 0) -> go.Figure:
        """Draw activation maps above probe weights; ``meta`` of a trace is the index of its feature."""
        figure = make_subplots(rows=2, cols=1, row_heights=[0.66, 0.34], vertical_spacing=0.2)
        columns = plots.thin(len(self.time_s), MOST_FRAMES)
        for index, use in enumerate(self.uses):
            options = {"meta": index, "visible": index == shown}
            heat = plots.heatmap(
                self.time_s[columns],
                self.steps.astype(np.float32),
                use.activation[:, columns],
                "activation",
                zmin=0,
                colorbar={"y": 1, "yanchor": "top", "len": 0.6},
                hovertemplate="%{z:.2f} at %{x:.2f} s, step %{y}<extra></extra>",
                **options,
            )
            figure.add_trace(heat, row=1, col=1)
            figure.add_bar(
                x=use.classes,
                y=use.weights.astype(np.float32),
                marker={"color": plots.SERIES[plots.series(use.name)]},
                showlegend=False,
                hovertemplate="%{x}: %{y:.3f}<extra></extra>",
                row=2,
                col=1,
                **options,
            )
        figure.update_yaxes(title="step", autorange="reversed", showgrid=False, row=1, col=1)
        figure.update_xaxes(title="time (s)", showgrid=False, row=1, col=1)
        figure.update_yaxes(title="probe weight", row=2, col=1)
        figure.update_xaxes(type="category", nticks=12, showgrid=False, row=2, col=1)
        return plots.finish(figure, height=430)


def activations(artifacts: Artifacts, latents: NDArray[np.floating], chosen: NDArray[np.int64]) -> FloatArray:
    """Values ``[F, T]`` of the ``chosen [F]`` features in latents ``[T, C]``; channels where there is no SAE."""
    with torch.inference_mode():
        read = artifacts.read(np.asarray(latents, np.float32))
    entries = (read.coded or read.raw).entries()
    values = np.zeros((len(chosen), len(latents)), np.float32)
    for row, feature in enumerate(chosen):
        here = entries.feature == feature
        values[row, entries.frame[here]] = entries.value[here]
    return values
