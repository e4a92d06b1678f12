"""How probable every step holds what the final sound has: the probes' probability of its class, step by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from analysis.emergence import View
from harness.decoding.artifacts import CLEAN, VIEWS
from harness.decoding.decode import Decoded
from harness.report import plots
from harness.report.latents import MAX_ROWS

VIEW_NAMES: dict[View, str] = {"x1_hat": "clean estimate x1_hat", "x_t": "state x_t"}


@dataclass(frozen=True)
class Certainty:
    """Probability of the final sound's class. Shape letters: K drawn steps, T frames."""

    steps: NDArray[np.int64]
    """``[K]``."""
    frame_rate_hz: float
    probability: Mapping[tuple[View, str], NDArray[np.float32]]
    """View and property -> ``[K, T]``; NaN in frames where the final sound has no class."""

    @classmethod
    def of(cls, decoded: Decoded) -> Certainty:
        """Look the probabilities up in a decode; properties that no frame has are left out."""
        steps = plots.thin(decoded.steps, MAX_ROWS)
        found = {}
        for view in VIEWS:
            for name, part in decoded.properties.items():
                known = np.flatnonzero(part.target >= 0)
                if not len(known):
                    continue
                rows = np.full((len(steps), len(part.target)), np.nan, np.float32)
                of_all = part.probabilities[view, CLEAN]
                rows[:, known] = of_all[steps[:, None], known, part.target[known]]
                found[view, name] = rows
        return cls(steps, decoded.frame_rate_hz, found)

    @property
    def names(self) -> Sequence[str]:
        """Properties that are there."""
        return [name for view, name in self.probability if view == VIEWS[0]]

    def mean(self, view: View, name: str) -> NDArray[np.float64]:
        """``[K]`` mean over the frames that have a class."""
        return np.asarray(np.nanmean(self.probability[view, name], axis=1, dtype=np.float64))

    def figure(self, shown: int = 0) -> go.Figure:
        """Draw a heat map a property; ``meta`` is the index of the view."""
        figure = make_subplots(
            rows=len(self.names), cols=1, shared_xaxes=True, vertical_spacing=0.07, subplot_titles=self.names
        )
        for (view, name), values in self.probability.items():
            row, index = self.names.index(name) + 1, VIEWS.index(view)
            frames = plots.thin(values.shape[1])
            heat = plots.heatmap(
                ((frames + 0.5) / self.frame_rate_hz).astype(np.float32),
                self.steps.astype(np.float32),
                values[:, frames],
                "probability",
                zmin=0,
                zmax=1,
                showscale=row == 1,
                meta=index,
                visible=index == shown,
                hovertemplate="%{z:.2f} at %{x:.2f} s, step %{y}<extra></extra>",
            )
            figure.add_trace(heat, row=row, col=1)
        figure.update_yaxes(title="step", autorange="reversed", showgrid=False)
        figure.update_xaxes(showgrid=False)
        figure.update_xaxes(title="time (s)", row=len(self.names), col=1)
        return plots.finish(figure, height=90 + 150 * len(self.names))
