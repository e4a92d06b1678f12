"""Hear it emerge: the clean estimate of one step at a time, to hear, to see, and measured against the final sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.subplots import make_subplots

from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.context import Context
from harness.report.markup import tie
from harness.report.players import data_uris
from harness.report.spectrogram import Spectrogram
from harness.report.tracks import Tracks, typical

SPECTROGRAM_FRAMES = 200
"""Frames of each step's spectrogram: nine of them are most of what the page weighs beside plotly.js."""


def panel(context: Context) -> Panel:
    """Slider, player and figure of the chosen steps."""
    if not context.tracks:
        return Panel(
            "emergence", "Hear it emerge", [Markup("<p>No step was finished, so there is nothing to hear.</p>")]
        )
    spectrogram = Spectrogram.of(context.clips, context.sample_rate_hz, SPECTROGRAM_FRAMES)
    first, last = ({track.name: track.share[index] for track in context.tracks} for index in (0, -1))
    changes = [f"{name} {first[name]:.0%} → {last[name]:.0%}" for name in first if np.isfinite(first[name])]
    figure = Figure(
        id="emergence-steps",
        title="What the model expects at this step",
        plot=StepFigure(spectrogram, context.tracks).figure(),
        caption=f"The clean estimate at the chosen step, decoded: coloured lines; {context.final_name}: grey. "
        f"Frames that agree, first → last step: {', '.join(changes) or 'none to compare'}.",
        table=_table(context),
        table_title="All steps: numbers and players",
    )
    return Panel("emergence", "Hear it emerge", [_stepper(context), figure])


@dataclass(frozen=True)
class StepFigure:
    """Spectrogram and property tracks of every chosen step; a slider shows one at a time."""

    spectrogram: Spectrogram
    """One clip a chosen step."""
    tracks: Sequence[Tracks]
    """One entry a property."""

    def figure(self, shown: int = 0) -> go.Figure:
        """Draw all steps, the ``shown``-th visible; a trace's ``meta`` is the index of its step, -1 for the final."""
        rows = 1 + len(self.tracks)
        figure = make_subplots(
            rows=rows,
            cols=1,
            shared_xaxes=True,
            row_heights=[0.46, *[0.54 / len(self.tracks)] * len(self.tracks)],
            vertical_spacing=0.035,
        )
        figure.update_yaxes(self.spectrogram.axis(), row=1, col=1)
        for index in range(len(self.tracks[0].steps)):
            bar = {"y": 1, "yanchor": "top", "len": 0.46}
            heat = self.spectrogram.heatmap(index, meta=index, visible=index == shown, colorbar=bar)
            figure.add_trace(heat, row=1, col=1)
        for row, track in enumerate(self.tracks, start=2):
            self._draw(figure, track, row, shown)
        figure.update_xaxes(showgrid=False)
        figure.update_xaxes(title="time (s)", row=rows, col=1)
        return plots.finish(figure, height=300 + 105 * len(self.tracks))

    def _draw(self, figure: go.Figure, track: Tracks, row: int, shown: int) -> None:
        columns = plots.thin(len(track.time_s))
        words = {"x": track.time_s[columns], "mode": "lines", "showlegend": False}
        hover = f"{track.name} %{{y:.1f}} {track.unit} at %{{x:.2f}} s<extra></extra>"
        grey = {"color": plots.NEUTRAL, "width": 5}
        figure.add_scatter(
            y=track.final[columns], line=grey, opacity=0.7, meta=-1, hovertemplate=hover, row=row, col=1, **words
        )
        for index, values in enumerate(track.values):
            figure.add_scatter(
                y=values[columns],
                line=plots.line(row - 2),
                meta=index,
                visible=index == shown,
                hovertemplate=hover,
                row=row,
                col=1,
                **words,
            )
        low, high = track.span
        axis = plots.ticks(track.name, track.measured.format, low, high)
        figure.update_yaxes(title=track.name, range=[low, high], **axis, row=row, col=1)


def _stepper(context: Context) -> Markup:
    count = len(context.steps)
    return Markup(
        '<div class="stepper" data-figure="emergence-steps" data-clips="step-clip">'
        '<div class="slide"><label for="step-slider">Denoising step</label>'
        '<input id="step-slider" type="range" min="0" max="{}" step="1" value="0"></div>'
        '<p class="step-text"></p>'
        '<audio controls aria-label="Clean estimate at the chosen step"></audio>'
        '<p class="hint">Left noise, right the finished sound. Move it while the sound plays: the position is kept. '
        "All players share one gain, so loudness can be compared.</p></div>"
    ).format(count - 1)


def _table(context: Context) -> Table:
    """Every chosen step with its player, typical values and agreement."""
    uris, rows = data_uris((clip * context.gain for clip in context.clips), context.sample_rate_hz), []
    for index, (step, t) in enumerate(zip(context.steps, context.t, strict=True)):
        agree = [_percent(track.share[index]) for track in context.tracks]
        text = f"Step {step} of {context.step_count}, t = {t:.2f}. Frames that agree: " + ", ".join(
            f"{track.name} {share}" for track, share in zip(context.tracks, agree, strict=True)
        )
        player = Markup(
            '<audio class="step-clip" controls preload="none" src="{}" data-text="{}" aria-label="Step {}"></audio>'
        ).format(uris[index], tie(text), step)
        values = [typical(track.measured, track.values[index]) for track in context.tracks]
        rows.append([str(step), f"{t:.2f}", *(f"{v} ({s})" for v, s in zip(values, agree, strict=True)), player])
    heads = [f"{track.name}, median (agrees)" for track in context.tracks]
    return Table(["step", "t", *heads, "sound"], rows)


def _percent(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else "–"
