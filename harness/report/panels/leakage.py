"""What else the edit moved, what it left, and what it spoilt; the random control beside it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from analysis.bootstrap import Interval
from analysis.steering import JUDGED
from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.markup import table
from harness.report.paired import PairedContext

ROWS = {
    "log_mel_db": ("difference of mel bands (dB)", ".1f"),
    "chroma_similarity": ("chroma similarity", ".2f"),
    "onset_f1": ("onset F1", ".2f"),
    "clipped_change": ("clipped samples, change of share", "+.1%"),
    "flatness_change_db": ("spectral flatness, change (dB)", "+.1f"),
    "latent_distance": ("distance of latents from unsteered ones (1 = like them)", ".2f"),
}
"""Field of ``Effect`` -> its name for people, and how it is written."""


def panel(context: PairedContext) -> Panel:
    """Leakage matrix, then preservation and artefacts."""
    effects = context.result.over_seeds
    rows = []
    for field, (name, spec) in ROWS.items():
        cells = [{**effect.preservation, **effect.artefacts}[field] for effect in effects.values()]
        rows.append([name, *(f"{cell:{spec}}" for cell in cells)])
    reached = [f"{effect.reached:.0%} of {effect.eligible}" for effect in effects.values()]
    return Panel(
        "leakage",
        "Leakage",
        [_matrix(context), table(["over all seeds", *effects], [["on target", *reached], *rows], "What is left")],
    )


def _matrix(context: PairedContext) -> Figure:
    effects, target = context.result.over_seeds, context.result.target
    in_spreads = np.array([[effect.leakage[name].in_spreads.value for name in JUDGED] for effect in effects.values()])
    text = [
        [f"{effect.leakage[name].change.value:+.2f} {effect.leakage[name].unit}" for name in JUDGED]
        for effect in effects.values()
    ]
    figure = go.Figure(
        plots.heatmap(
            np.array(JUDGED),
            [*effects],
            in_spreads.astype(np.float32),
            "spreads between seeds",
            zmin=0,
            zmax=max(1.0, float(np.nanmax(in_spreads, initial=0.0))),
            text=text,
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{z:.2f} spreads, %{text}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    others = [name for name in JUDGED if target is None or name != target.property]
    moved = ", ".join(f"{name} by {_size(effects['steered'].leakage[name].in_spreads)}" for name in others)
    rows = [
        [f"{arm}, {name}", f"{leak.change:+.2f}", leak.unit, f"{leak.in_spreads:.2f}", f"{leak.kept:.0%}"]
        for arm, effect in effects.items()
        for name, leak in effect.leakage.items()
    ]
    return Figure(
        "leakage-matrix",
        "Change of every property",
        plots.finish(figure, height=260),
        f"Mean change over {effects['steered'].runs} seeds; colour: its size in units of the spread between unsteered "
        f"seeds (at least the property's tolerance). Steering moved {moved}.",
        Table(["arm, property", "change", "unit", "in spreads", "runs that kept it"], rows),
    )


def _size(interval: Interval) -> str:
    return f"{float(interval.value):.1f} spreads" if np.isfinite(interval.value) else "nothing measurable"
