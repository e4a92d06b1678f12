"""``harness lyrics``: where timed lyrics come to stand in a song."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import click

from harness.cli.console import answer, quoted, say, table
from harness.cli.options import debug_option, json_option
from harness.cli.song import lrc_rules_option, lyrics_form_option
from harness.cli.values import FiniteRange, read_text
from harness.words import counted

if TYPE_CHECKING:
    from generators.diffrhythm.lyrics.tokens import Placement


@click.command("lyrics")
@click.argument("file", metavar="LRC", type=click.File("rb"))
@click.option(
    "--duration",
    type=FiniteRange(min=0),
    default=95,
    show_default=True,
    metavar="SECONDS",
    help="Of the song: 95 for DiffRhythm's base models, 96 to 285 for the full-length ones.",
)
@lyrics_form_option
@lrc_rules_option
@json_option
@debug_option
def command(file: BinaryIO, duration: float, lyrics_form: str | None, lrc_rules: str | None) -> None:
    """Show where DiffRhythm sings each line of timed lyrics.

    What would be left out is named. A line takes one latent frame (46 ms) a phone, from its time on or from where the
    line before ends; only the end of the song cuts it. Base models leave the last line out.
    """
    from generators.diffrhythm.lyrics.tokens import LYRICS_FORMS, place_in_song

    placement = place_in_song(
        read_text(file),
        audio_length_s=duration,
        tokenize=LYRICS_FORMS[lyrics_form or "words"],
        lrc_rules=lrc_rules or "original",
    )
    answer(_document(file.name, duration, placement))
    _show(placement)


def _document(path: str, duration_s: float, placement: Placement) -> dict[str, Any]:
    from generators.diffrhythm.lyrics.phones import phones_of

    rate_hz = placement.frame_rate_hz
    lines = [
        {
            "line": entry.line.number,
            "time_s": entry.line.time_s,
            "words": entry.line.words,
            "start_s": entry.start_frame / rate_hz,
            "start_frame": entry.start_frame,
            "end_frame": entry.end_frame,
            "tokens": list(entry.tokens),
            "phones": list(phones_of(entry.tokens)),
            "cut_tokens": entry.cut_tokens,
        }
        for entry in placement.lines
    ]
    return {
        "path": path,
        "duration_s": duration_s,
        "frames": placement.frames,
        "frame_rate_hz": rate_hz,
        "lines": lines,
        "remarks": list(placement.remarks),
    }


def _show(placement: Placement) -> None:
    rows = [
        (
            quoted(entry.line.words, 48),
            entry.line.number,
            _clock(entry.line.time_s),
            _clock(entry.start_frame / placement.frame_rate_hz),
            entry.start_frame,
            entry.end_frame,
            len(entry.tokens),
        )
        for entry in placement.lines
    ]
    if rows:
        table(("words", "line", "stamp", "sung at", "frame", "to", "tokens"), rows)
    sung = sum(len(entry.tokens) for entry in placement.lines)
    say(f"{counted(len(rows), 'line')} on {sung} of {placement.frames} frames")
    for remark in placement.remarks:
        say(f"note: {remark}")


def _clock(seconds: float) -> str:
    """Write ``83.5`` as ``01:23.50``."""
    hundredths = round(100 * seconds)
    return f"{hundredths // 6000:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"
