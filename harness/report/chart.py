"""The one chart of the overview: how much of the final sound every step has, per property, in one of several views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.bootstrap import Interval
from harness.decoding.artifacts import CLEAN, VIEWS
from harness.decoding.emergence import Curves
from harness.report import plots
from harness.report.tracks import Tracks

HEARD = "clean estimate x1_hat, as heard"
READ = {"x1_hat": "clean estimate x1_hat, read by probes", "x_t": "state x_t, read by probes"}
MOST_MARKERS = 40


@dataclass(frozen=True)
class Line:
    """One property in one view. Shape letters: R steps."""

    name: str
    t: NDArray[np.float64]
    """``[R]``."""
    share: Interval
    """``[R]`` share of frames that are as in the final sound."""
    baseline: float
    """Share that the best constant answer gets right."""


@dataclass(frozen=True)
class EmergenceChart:
    """Three properties over t, in every view there is."""

    views: Mapping[str, Sequence[Line]]
    """Name of the view -> a line a property."""

    @classmethod
    def of(cls, tracks: Sequence[Tracks], curves: Curves) -> EmergenceChart:
        """Take what was measured on decoded sound, and what probes read where there is a decode."""
        heard = [Line(track.name, track.t, track.share_interval, track.baseline) for track in tracks if track.exists]
        views = {HEARD: heard}
        for view in VIEWS:
            read = [(name, curve) for (name, decoder), curve in curves.items() if decoder == (view, CLEAN)]
            if read:
                lines = [Line(name, curve.t, curve.accuracy, float(curve.chance.value)) for name, curve in read]
                views[READ[view]] = lines
        return cls({name: lines for name, lines in views.items() if lines})

    def figure(self, shown: int = 0) -> go.Figure:
        """Draw all views, the ``shown``-th visible; ``meta`` of a trace is the index of its view, -1 for all."""
        figure = go.Figure()
        for index, lines in enumerate(self.views.values()):
            for line in lines:
                self._draw(figure, line, {"meta": index, "visible": index == shown})
        dashed = {"color": plots.NEUTRAL, "dash": "dash", "width": 1.5}
        figure.add_scatter(
            x=[None], y=[None], mode="lines", line=dashed, name="baseline: best constant answer", meta=-1
        )
        figure.update_xaxes(title="t (0 = noise, 1 = data)", range=[-0.02, 1.02])
        figure.update_yaxes(title="frames as in the end", range=[-0.03, 1.03], tickformat=".0%")
        return plots.finish(figure, height=350)

    def _draw(self, figure: go.Figure, line: Line, options: dict[str, Any]) -> None:
        series = plots.series(line.name)
        plots.band(figure, line.t, line.share, series, **options)
        figure.add_scatter(
            x=np.array([0, 1], np.float32),
            y=np.array([line.baseline] * 2, np.float32),
            mode="lines",
            line={"color": plots.SERIES[series], "dash": "dash", "width": 1.5},
            showlegend=False,
            hovertemplate=f"{line.name}, best constant answer: %{{y:.0%}}<extra></extra>",
            **options,
        )
        figure.add_scatter(
            x=line.t.astype(np.float32),
            y=line.share.value.astype(np.float32),
            name=line.name,
            mode="lines+markers",
            line={"color": plots.SERIES[series], "width": 2.5},
            marker={**plots.marker(series), "maxdisplayed": MOST_MARKERS},
            hovertemplate=f"{line.name} %{{y:.0%}} at t = %{{x:.2f}}<extra></extra>",
            **options,
        )
