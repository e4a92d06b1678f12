"""The three sounds over time: property tracks over one another, and the spectrograms."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.paired import ArmTracks, PairedContext
from harness.report.panels.paired import ARM_NAMES
from harness.report.spectrogram import Spectrogram
from harness.report.tracks import typical
from harness.steering.document import change
from harness.steering.result import ARMS

PARTS = 12
"""Stretches of the audio that the tables list."""
STYLES = ({"color": plots.NEUTRAL, "width": 5}, plots.line(1), {**plots.line(3), "dash": "dot"})
"""Lines of the arms: broad grey for what would have been."""


def panel(context: PairedContext) -> Panel:
    """Tracks, then spectrograms."""
    return Panel("paired-sound", "Over time", [_tracks(context), _spectrograms(context)])


def tracks_figure(context: PairedContext) -> go.Figure:
    """Draw every property of all arms against time, and the target as a thin line."""
    count = len(context.tracks)
    figure = make_subplots(rows=count, cols=1, shared_xaxes=True, vertical_spacing=0.05)
    for row, track in enumerate(context.tracks, start=1):
        columns = plots.thin(len(track.time_s))
        for index, name in enumerate(ARM_NAMES.values()):
            figure.add_scatter(
                x=track.time_s[columns],
                y=track.values[index, columns],
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines",
                line=STYLES[index],
                hovertemplate=f"{name}: %{{y:.2f}} at %{{x:.2f}} s<extra></extra>",
                row=row,
                col=1,
            )
        _target(figure, context, track, row)
        low, high = _span(track)
        axis = plots.ticks(track.measured.name, track.measured.format, low, high)
        figure.update_yaxes(title=track.measured.name, range=[low, high], **axis, row=row, col=1)
    figure.update_xaxes(title="time (s)", row=count, col=1)
    return plots.finish(figure, height=90 + 150 * count)


def _target(figure: go.Figure, context: PairedContext, track: ArmTracks, row: int) -> None:
    target = context.result.target
    if target is None or target.property != track.measured.name:
        return
    columns = plots.thin(len(track.time_s))
    figure.add_scatter(
        x=track.time_s[columns],
        y=target.wanted(track.values[0])[columns],
        name="Target",
        mode="lines",
        line={"color": plots.SERIES[2], "dash": "dash", "width": 1.5},
        hovertemplate="target: %{y:.2f} at %{x:.2f} s<extra></extra>",
        row=row,
        col=1,
    )


def _span(track: ArmTracks) -> tuple[float, float]:
    finite = track.values[np.isfinite(track.values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    margin = max(2 * track.measured.tolerance, 0.05 * (high - low))
    return low - margin, high + margin


def _tracks(context: PairedContext) -> Figure:
    steered, control = (context.result.recorded[arm] for arm in ARMS[1:])
    clauses = [f"{name} {change(steered, name)} (random edit: {change(control, name)})" for name in steered.change]
    parts = np.array_split(np.arange(len(context.tracks[0].time_s)), min(PARTS, len(context.tracks[0].time_s)))
    rows = [
        [
            f"{context.tracks[0].time_s[part[0]]:.2f}–{context.tracks[0].time_s[part[-1]]:.2f}",
            *(typical(track.measured, track.values[arm][part]) for track in context.tracks for arm in range(len(ARMS))),
        ]
        for part in parts
    ]
    head = ["time (s)", *(f"{track.measured.name}, {arm}" for track in context.tracks for arm in ARMS)]
    return Figure(
        "paired-tracks",
        "Every property, before and after",
        tracks_figure(context),
        f"Change of a typical frame: {'; '.join(clauses)}.",
        Table(head, rows),
    )


def _spectrograms(context: PairedContext) -> Figure:
    spectrogram = Spectrogram.of(context.clips, context.sample_rate_hz)
    figure = make_subplots(
        rows=len(ARMS), cols=1, shared_xaxes=True, vertical_spacing=0.07, subplot_titles=[*ARM_NAMES.values()]
    )
    for index in range(len(ARMS)):
        figure.add_trace(spectrogram.heatmap(index, showscale=index == 0), row=index + 1, col=1)
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(**spectrogram.axis())
    figure.update_xaxes(title="time (s)", row=len(ARMS), col=1)
    steered, control = context.result.recorded["steered"], context.result.recorded["control"]
    rows = [
        [arm, f"{found.log_mel_db:.1f}", f"{found.chroma_similarity:.2f}", f"{found.onset_f1:.2f}"]
        for arm, found in (("steered", steered), ("control", control))
    ]
    return Figure(
        "paired-spectrograms",
        "Spectrograms",
        plots.finish(figure, height=640),
        f"Mel bands differ from the baseline's by {steered.log_mel_db:.1f} dB on average when steered, and by "
        f"{control.log_mel_db:.1f} dB under the random edit.",
        Table(["arm", "mel bands (dB)", "chroma similarity, wanted transposition undone", "onset F1"], rows),
    )
