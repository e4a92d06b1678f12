"""Overview: what was asked for, what came out, and what was found."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from analysis.bootstrap import Interval
from harness.report.blocks import Figure, Panel, Table
from harness.report.chart import EmergenceChart
from harness.report.context import Context
from harness.report.markup import facts, prompt_block, tie
from harness.report.players import data_uri
from harness.report.tracks import REQUIRED_SHARE, typical


def panel(context: Context) -> Panel:
    """Prompt, finding, facts, player and the emergence chart."""
    request = context.trace.request
    asked = {
        "generator": context.trace.generator_id,
        "seed": request.get("seed"),
        "steps": context.step_count,
        "guidance scale": request.get("guidance_scale"),
    }
    pieces: list[Markup | Figure] = [prompt_block(str(request.get("prompt", "")))]
    pieces.append(Markup('<p class="finding">{}</p>').format(tie(context.finding)))
    player = Markup("")
    if context.final.size:
        asked["audio"] = f"{context.final.shape[1] / context.sample_rate_hz:.1f} s at {context.sample_rate_hz} Hz"
        player = _player(context)
    named = facts({name: "–" if value is None else str(value) for name, value in asked.items()})
    pieces.append(Markup('<div class="glance">{}{}</div>').format(player, named))
    chart = EmergenceChart.of(context.tracks, context.curves)
    if chart.views:
        pieces.append(_emergence(context, chart))
    return Panel("overview", "Overview", pieces)


def _player(context: Context) -> Markup:
    uri = data_uri(context.final * context.gain, context.sample_rate_hz)
    return Markup(
        '<p class="player"><label for="final-audio">{}</label>'
        '<audio id="final-audio" controls preload="metadata" src="{}"></audio></p>'
    ).format(context.final_name.capitalize(), uri)


def _emergence(context: Context, chart: EmergenceChart) -> Figure:
    there = [track for track in context.tracks if track.exists]
    within = ", ".join(f"{track.name} within {track.tolerance}" for track in there)
    caption = (
        f"Decided: {REQUIRED_SHARE:.0%} of the frames sound as in the {context.final_name} and stay so ({within}), "
        f"judged at {len(context.steps)} of {context.step_count} steps. Bands: 95% intervals over stretches of frames."
    )
    return Figure(
        "emergence-chart", "How the sound emerges", chart.figure(), caption, _table(context), views=[*chart.views]
    )


def _table(context: Context) -> Table:
    """Share of agreeing frames at every step, and below what the final sound has."""
    rows = [
        [str(step), f"{t:.2f}", *(_share(track.share_interval, row) for track in context.tracks)]
        for row, (step, t) in enumerate(zip(context.steps, context.t, strict=True))
    ]
    baselines = [f"{track.baseline:.0%}" if track.exists else "–" for track in context.tracks]
    final = [typical(track.measured, track.final) for track in context.tracks]
    rows += [["baseline", "–", *baselines], ["final", "1.00", *(f"typically {value}" for value in final)]]
    return Table(["step", "t", *(f"{track.name} within {track.tolerance}" for track in context.tracks)], rows)


def _share(interval: Interval, row: int) -> str:
    part = interval[row]
    if not np.isfinite(part.value):
        return "–"
    return f"{part.value:.0%} [{part.low:.0%}, {part.high:.0%}]"
