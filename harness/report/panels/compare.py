"""Several ways to sample the same request, on one axis."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from harness.compare import OWN_END, REFERENCE_END, Comparison
from harness.report import plots
from harness.report.blocks import Figure, Panel, Table

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
AXES = ("over t", "over log-SNR")


def panel(comparison: Comparison) -> Panel:
    """Build a figure a measure."""
    figures = [_figure(comparison, name, index) for index, name in enumerate(comparison.measures)]
    return Panel("compare", "The same noise, sampled in different ways", figures)


def measure_figure(comparison: Comparison, measure: str) -> go.Figure:
    """Draw a measure of every arm, over t beside over log-SNR."""
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    for index, arm in enumerate(comparison.arms):
        for column, x in enumerate((arm.t, arm.log_snr), start=1):
            there = np.isfinite(x)
            figure.add_scatter(
                x=x[there].astype(np.float32),
                y=arm.measures[measure][there].astype(np.float32),
                name=arm.name,
                legendgroup=arm.name,
                showlegend=column == 1,
                mode="lines+markers",
                line={"color": plots.SERIES[index % 4], "dash": DASHES[index % 6], "width": 2},
                marker={"size": 4},
                hovertemplate=f"{arm.name}: %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_xaxes(title="t (0 = noise, 1 = data)", row=1, col=1)
    figure.update_xaxes(title="log-SNR", row=1, col=2)
    figure.update_yaxes(title=measure, rangemode="tozero", row=1, col=1)
    return plots.finish(figure, height=380)


def _figure(comparison: Comparison, measure: str, index: int) -> Figure:
    spread = comparison.spread(measure)
    relative = " of the end's norm" if measure in (OWN_END, REFERENCE_END) else ""
    rows = [
        [arm.name, *(f"{float(arm.at(measure, np.array([t]))[0]):.3f}" for t in (0.25, 0.5, 0.75, 1.0))]
        for arm in comparison.arms
    ]
    return Figure(
        f"compare-{index}",
        f"Clean estimate: {measure}",
        measure_figure(comparison, measure),
        f"At the same t the {len(comparison.arms)} curves differ by {spread.mean():.3f}{relative} on average and by "
        f"{spread.max():.3f} at most.",
        Table(["sampled with", "t = 0.25", "0.5", "0.75", "1"], rows),
    )
