"""Overview: what was asked for, what came out, and what was found."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from harness.report.blocks import Figure, Panel, Table
from harness.report.context import Context
from harness.report.markup import facts, tie
from harness.report.players import data_uri
from harness.report.spectrogram import Spectrogram
from harness.report.tracks import typical

PARTS = 12
"""Stretches of the audio that the table lists."""


def panel(context: Context) -> Panel:
    """Prompt, finding, facts, player and spectrogram."""
    request = context.trace.request
    asked = {
        "generator": context.trace.generator_id,
        "seed": request.get("seed"),
        "steps": context.step_count,
        "guidance scale": request.get("guidance_scale"),
    }
    pieces: list[Markup | Figure] = [_prompt(str(request.get("prompt", "")))]
    pieces.append(Markup('<p class="finding">{}</p>').format(tie(context.finding)))
    if context.final.size:
        asked["audio"] = f"{context.final.shape[1] / context.sample_rate_hz:.1f} s at {context.sample_rate_hz} Hz"
        pieces.append(_player(context))
    pieces.append(facts({name: "–" if value is None else str(value) for name, value in asked.items()}))
    if context.final.size:
        pieces.append(_spectrogram(context))
    return Panel("overview", "Overview", pieces)


def _prompt(prompt: str) -> Markup:
    if not prompt.strip():
        return Markup('<p class="prompt empty">(empty prompt)</p>')
    return Markup('<blockquote class="prompt" dir="auto" tabindex="0" aria-label="Prompt">{}</blockquote>').format(
        prompt
    )


def _player(context: Context) -> Markup:
    uri = data_uri(context.final * context.gain, context.sample_rate_hz)
    return Markup(
        '<p class="player"><label for="final-audio">{}</label>'
        '<audio id="final-audio" controls preload="metadata" src="{}"></audio></p>'
    ).format(context.final_name.capitalize(), uri)


def _spectrogram(context: Context) -> Figure:
    spectrogram = Spectrogram.of(context.final[None], context.sample_rate_hz)
    words = [
        f"{track.name} {typical(track.measured, track.final)}"
        for track in context.tracks
        if np.isfinite(track.final).any()
    ]
    return Figure(
        id="final-spectrogram",
        title="Spectrogram",
        plot=spectrogram.figure(),
        caption=f"The {context.final_name} in mel bands. Typical frame: {', '.join(words)}.",
        table=_table(context),
    )


def _table(context: Context) -> Table:
    """Median of every property over ``PARTS`` stretches of the final sound."""
    rows = []
    frames = context.tracks[0].time_s
    for part in np.array_split(np.arange(len(frames)), min(PARTS, len(frames))):
        rows.append([f"{frames[part[0]]:.2f}–{frames[part[-1]]:.2f}"])
        rows[-1] += [typical(track.measured, track.final[part]) for track in context.tracks]
    return Table(["time (s)", *(f"{track.name}, median" for track in context.tracks)], rows)
