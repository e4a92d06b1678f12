"""When a property can still be changed: effect per window of t, beside when it is known."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.steering import TimingMap
from analysis.steering.timing import LEFT
from harness.decoding.artifacts import CLEAN
from harness.decoding.emergence import Curves
from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.steering.timing_words import finding
from harness.words import counted


def panel(found: TimingMap, curves: Curves) -> Panel:
    """Heat maps of the effects, then fixed against known."""
    return Panel(f"timing-{found.property}", f"Timing of {found.property}", [_fixed(found, curves), _map(found)])


def fixed_figure(found: TimingMap, curves: Curves) -> go.Figure:
    """Draw the effect left in each window, and the emergence of the same property in the clean estimate."""
    figure = make_subplots(rows=1, cols=1)
    index = plots.series(found.property)
    middles = np.array([(start + stop) / 2 for start, stop in found.windows])
    plots.band(figure, middles, found.by_window, index)
    figure.add_scatter(
        x=middles.astype(np.float32),
        y=found.by_window.value.astype(np.float32),
        name="effect of an edit in this window",
        mode="lines+markers",
        line=plots.line(index),
        marker=plots.marker(index),
        hovertemplate="%{y:.0%} of the wanted change around t = %{x:.2f}<extra></extra>",
    )
    curve = curves.get((found.property, ("x1_hat", CLEAN)))
    if curve is not None:
        figure.add_scatter(
            x=curve.t.astype(np.float32),
            y=curve.normalised.value.astype(np.float32),
            name="known: decode of the clean estimate, as a share of the probe's ceiling",
            mode="lines",
            line={"color": plots.NEUTRAL, "width": 2.5, "dash": "dash"},
            hovertemplate="known to %{y:.0%} at t = %{x:.2f}<extra></extra>",
        )
    fixed = float(found.commitment.value)
    if np.isfinite(fixed):
        figure.add_vline(x=fixed, line={"dash": "dot", "width": 1.5, "color": plots.SERIES[index]})
    figure.update_xaxes(title="t (0 = noise, 1 = data)", range=[-0.02, 1.02])
    figure.update_yaxes(title="share", tickformat=".0%")
    return plots.finish(figure, height=380)


def map_figure(found: TimingMap) -> go.Figure:
    """Draw a heat map over windows and strengths for the target, and one for every other property."""
    parts = {f"{found.property} (share of the wanted change)": found.effect}
    parts |= {f"{name} (spreads between runs)": part for name, part in found.others.items()}
    windows = [f"{start:.3g}–{stop:.3g}" for start, stop in found.windows]
    strengths = [f"{strength:.3g}" for strength in found.strengths]
    count = len(parts)
    figure = make_subplots(rows=count, cols=1, shared_xaxes=True, vertical_spacing=0.11, subplot_titles=[*parts])
    for row, (name, part) in enumerate(parts.items(), start=1):
        heat = plots.heatmap(
            np.array(windows),
            strengths,
            part.value.T.astype(np.float32),
            "",
            zmin=min(0.0, float(np.nanmin(part.value))),
            zmax=max(1.0, float(np.nanmax(part.value))),
            colorbar={"len": 0.9 / count, "y": 1 - (row - 0.5) / count},
            texttemplate="%{z:.2f}",
            hovertemplate=f"{name.split(' ')[0]} %{{z:.2f}} at t %{{x}}, strength %{{y}}<extra></extra>",
        )
        figure.add_trace(heat, row=row, col=1)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, title="strength")
    figure.update_xaxes(title="window of t", row=count, col=1)
    return plots.finish(figure, height=110 + count * (90 + 26 * len(strengths)))


def _fixed(found: TimingMap, curves: Curves) -> Figure:
    rows = [[f"{start:.3g}–{stop:.3g}", f"{found.by_window[w]:.0%}"] for w, (start, stop) in enumerate(found.windows)]
    rows.append(["half of the largest effect is there from t", f"{found.opening:.2f}"])
    rows.append(["half of the largest effect is left up to t", f"{found.commitment:.2f}"])
    return Figure(
        f"timing-{found.property}-fixed",
        "Fixed, beside known",
        fixed_figure(found, curves),
        f"{finding(found, curves)} Effects are averaged over strengths and {counted(found.runs, 'run')}, with "
        f"95% intervals; the dotted line stands where the last window ends that has {LEFT:.0%} of the largest.",
        Table(["window of t", "effect, share of the wanted change"], rows),
    )


def _map(found: TimingMap) -> Figure:
    best = np.unravel_index(np.nanargmax(found.effect.value), found.effect.value.shape)
    start, stop = found.windows[best[0]]
    rows = [
        [
            f"{window[0]:.3g}–{window[1]:.3g}",
            f"{strength:.3g}",
            f"{found.effect[w, k]:.0%}",
            f"{found.reached[w, k]:.0%}",
            *(f"{part[w, k]:.2f}" for part in found.others.values()),
        ]
        for w, window in enumerate(found.windows)
        for k, strength in enumerate(found.strengths)
    ]
    return Figure(
        f"timing-{found.property}-map",
        "Effect on every property",
        map_figure(found),
        f"An edit at t {start:.3g}–{stop:.3g} with strength {found.strengths[best[1]]:.3g} moves {found.property} "
        f"furthest: by {float(found.effect.value[best]):.0%} of what was wanted.",
        Table(["window of t", "strength", "effect", "runs on target", *(f"{n} (spreads)" for n in found.others)], rows),
    )
