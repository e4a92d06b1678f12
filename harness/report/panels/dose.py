"""Dose and response over all seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from plotly.subplots import make_subplots

from analysis.steering import DoseResponse
from analysis.steering.comparison import unit
from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.paired import PairedContext


def panel(context: PairedContext) -> Panel | None:
    """Change of every property against the dose; None for a single dose."""
    doses = context.result.doses
    if not doses:
        return None
    figure = make_subplots(rows=len(doses), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    target = context.result.target
    for row, (name, found) in enumerate(doses.items(), start=1):
        index = plots.series(name)
        plots.band(figure, found.doses, found.response, index, row=row)
        figure.add_scatter(
            x=found.doses.astype(np.float32),
            y=found.response.value.astype(np.float32),
            name=name,
            mode="lines+markers",
            line=plots.line(index),
            marker=plots.marker(index),
            hovertemplate=f"{name} %{{y:+.2f}} at strength %{{x:g}}<extra></extra>",
            row=row,
            col=1,
        )
        if target is not None and target.property == name and target.change is not None:
            figure.add_scatter(
                x=found.doses.astype(np.float32),
                y=(found.doses * target.change).astype(np.float32),
                name="wanted",
                mode="lines",
                line={"color": plots.NEUTRAL, "dash": "dash", "width": 1.5},
                hovertemplate="wanted %{y:+.2f} at strength %{x:g}<extra></extra>",
                row=row,
                col=1,
            )
        figure.update_yaxes(title=f"{name} ({unit(name)})", row=row, col=1)
    figure.update_xaxes(title="strength (1 = as given)", row=len(doses), col=1)
    caption = "; ".join(f"{name}: {_words(found, name)}" for name, found in doses.items())
    return Panel(
        "dose",
        "Dose and response",
        [
            Figure(
                "dose-response",
                "Change against strength",
                plots.finish(figure, height=90 + 150 * len(doses)),
                f"Mean change over {len(context.result.seeds)} seeds, with 95% intervals. {caption}.",
                _table(doses),
            )
        ],
    )


def _words(found: DoseResponse, name: str) -> str:
    steady = f"rises or falls steadily in {float(found.monotone.value):.0%} of the seeds"
    level = f", levels off beyond strength {found.saturation:g}" if found.saturation is not None else ""
    return f"{float(found.slope.value):+.2f} {unit(name)} per unit of strength, {steady}{level}"


def _table(doses: Mapping[str, DoseResponse]) -> Table:
    first = next(iter(doses.values()))
    rows = [
        [f"{dose:g}", *(f"{found.response[k]:+.2f}" for found in doses.values())] for k, dose in enumerate(first.doses)
    ]
    rows.append(["rank correlation", *(f"{found.spearman:.2f}" for found in doses.values())])
    return Table(["strength", *(f"{name} ({unit(name)})" for name in doses)], rows)
