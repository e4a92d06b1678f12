"""How emergence curves are drawn: accuracy per property, the comparison of properties, decoded pitch, top features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from analysis import properties
from analysis.emergence import EmergenceCurve
from harness.decoding.artifacts import CLEAN, NOISE_AWARE
from harness.decoding.decode import Decoded, DecodedProperty
from harness.decoding.emergence import Curves
from harness.report import plots
from harness.report.certainty import VIEW_NAMES
from harness.report.latents import MAX_ROWS

ROW_HEIGHT = 190
PAEK_RANGE = (-0.1, 3.0)
"""Part of the published metric's axis that is drawn: 0 and 1 by construction, thousands where it is unstable."""


def accuracy_figure(curves: Curves, names: Sequence[str]) -> go.Figure:
    """Draw accuracy against t, one row a property: both views with their intervals, baselines in dashed grey."""
    figure = make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.05)
    for row, name in enumerate(names, start=1):
        for index, (view, label) in enumerate(VIEW_NAMES.items()):
            curve = curves[name, (view, CLEAN)]
            plots.band(figure, curve.t, curve.accuracy, index, row=row)
            _line(figure, curve.t, curve.accuracy.value, label, plots.line(index), row)
            if (aware := curves.get((name, (view, NOISE_AWARE)))) is not None:
                thin = {"color": plots.SERIES[index], "dash": "dot", "width": 1.5}
                _line(figure, aware.t, aware.accuracy.value, f"{view}, noise-aware probe", thin, row)
        estimated = curves[name, ("x1_hat", CLEAN)]
        flat = np.ones(len(estimated.t))
        for label, level, dash in (
            ("ceiling (final latent)", flat * estimated.ceiling.value, "solid"),
            ("first step", flat * estimated.step_0.value, "longdash"),
            ("commonest class", flat * estimated.chance.value, "dash"),
            ("shuffled", estimated.shuffled, "dot"),
        ):
            _line(figure, estimated.t, level, label, {"color": plots.NEUTRAL, "dash": dash, "width": 1.2}, row)
        figure.update_yaxes(title=f"{name} accuracy", range=[-0.03, 1.03], row=row, col=1)
    figure.update_xaxes(range=[-0.01, 1.01])
    figure.update_xaxes(title="t (0 = noise, 1 = data)", row=len(names), col=1)
    return plots.finish(figure, height=120 + ROW_HEIGHT * len(names))


def order_figure(curves: Mapping[str, EmergenceCurve]) -> go.Figure:
    """Draw the accuracy of each property from chance (0) to its probe's ceiling (1), so that they can be compared."""
    figure = make_subplots(rows=1, cols=1)
    for name, curve in curves.items():
        index = plots.series(name)
        plots.band(figure, curve.t, curve.normalised, index)
        _line(figure, curve.t, curve.normalised.value, name, plots.line(index), 1)
    figure.add_hline(y=0.5, line={"dash": "dot", "width": 1, "color": plots.NEUTRAL})
    lowest = min(float(curve.normalised.value.min()) for curve in curves.values())
    figure.update_xaxes(title="t (0 = noise, 1 = data)", range=[-0.01, 1.01])
    figure.update_yaxes(title="share of the ceiling", range=[max(min(lowest, 0), -1) - 0.05, 1.15])
    return plots.finish(figure, height=340)


def convergence_figure(curves: Mapping[str, EmergenceCurve]) -> go.Figure:
    """Draw how far the decode of each property is from its last one: the published metric, and the stable distance."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for name, curve in curves.items():
        index = plots.series(name)
        for row, interval in enumerate((curve.paek, curve.js_distance), start=1):
            plots.band(figure, curve.t, interval, index, row=row)
            _line(figure, curve.t, interval.value, name, plots.line(index), row)
    figure.update_xaxes(range=[-0.01, 1.01])
    figure.update_xaxes(title="t (0 = noise, 1 = data)", row=2, col=1)
    figure.update_yaxes(title="Paek metric", range=PAEK_RANGE, row=1, col=1)
    figure.update_yaxes(title="JS distance to last", range=[-0.03, 1.03], row=2, col=1)
    return plots.finish(figure, height=460)


def pitch_figure(decoded: Decoded, pitch: DecodedProperty) -> go.Figure:
    """Draw the decoded pitch of the clean estimate over step and time, the final f0 over it on the colours' scale."""
    steps = plots.thin(decoded.steps, MAX_ROWS)
    frames = plots.thin(len(pitch.values))
    notes = decoded_values(pitch, steps)[:, frames].astype(np.float32)
    f0 = pitch.values[frames]
    both = np.concatenate([notes.ravel(), f0])
    low, high = np.nanmin(both) - 1, np.nanmax(both) + 1
    time_s = ((frames + 0.5) / decoded.frame_rate_hz).astype(np.float32)
    scale = plots.ticks("pitch", properties.load("pitch").format, float(low), float(high))
    figure = go.Figure(
        plots.heatmap(
            time_s,
            steps.astype(np.float32),
            notes,
            "",
            zmin=low,
            zmax=high,
            colorbar={**scale, "len": 1, "ypad": 0},
            hovertemplate="note %{z:.0f} at %{x:.2f} s, step %{y}<extra></extra>",
        )
    )
    for colour, width in (("#000000", 5), ("#ffffff", 2.5)):
        figure.add_scatter(
            x=time_s,
            y=f0,
            yaxis="y2",
            mode="lines",
            line={"color": colour, "width": width},
            showlegend=False,
            hovertemplate="final f0: note %{y:.1f} at %{x:.2f} s<extra></extra>",
        )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [low, high], "visible": False, "fixedrange": True})
    figure.update_layout(yaxis={"title": "step", "autorange": "reversed", "showgrid": False})
    figure.update_xaxes(title="time (s)", showgrid=False)
    return plots.finish(figure, height=340)


def top_figure(parts: Sequence[DecodedProperty]) -> go.Figure:
    """Draw what each top feature adds to the decode, one row of bars a property."""
    figure = make_subplots(rows=len(parts), cols=1, vertical_spacing=0.16, subplot_titles=[part.name for part in parts])
    for row, part in enumerate(parts, start=1):
        figure.add_bar(
            x=[str(feature.feature) for feature in part.top],
            y=np.array([feature.contribution for feature in part.top], np.float32),
            text=[class_name(part, feature.speaks_for) for feature in part.top],
            textposition="auto",
            textangle=0,
            marker={"color": plots.SERIES[row - 1]},
            showlegend=False,
            hovertemplate="feature %{x}, speaks for %{text}: %{y:.2f} nats<extra></extra>",
            row=row,
            col=1,
        )
        figure.update_yaxes(title="nats", rangemode="tozero", row=row, col=1)
        figure.update_xaxes(type="category", showgrid=False, row=row, col=1)
    figure.update_xaxes(title="feature", row=len(parts), col=1)
    figure.update_layout(uniformtext={"minsize": 10, "mode": "hide"})
    return plots.finish(figure, height=90 + 150 * len(parts))


def decoded_values(part: DecodedProperty, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Values ``[R, T]`` of the likeliest class of the clean estimate; NaN in frames without a target."""
    values = part.centres[part.probabilities["x1_hat", CLEAN][steps].argmax(axis=2)]
    return np.where(part.target >= 0, values, np.nan)


def class_name(part: DecodedProperty, index: int) -> str:
    """Write a class by the value it stands for, in the property's own words."""
    return properties.load(part.name).format(float(part.centres[index]))


def _line(
    figure: go.Figure,
    t: NDArray[np.float64],
    values: NDArray[np.float64],
    name: str,
    line: dict[str, object],
    row: int = 1,
) -> None:
    figure.add_scatter(
        x=t.astype(np.float32),
        y=values.astype(np.float32),
        name=name,
        legendgroup=name,
        showlegend=row == 1,
        mode="lines",
        line=line,
        hovertemplate="%{y:.2f} at t = %{x:.2f}<extra></extra>",
        row=row,
        col=1,
    )
