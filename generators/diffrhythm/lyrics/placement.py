"""Laying lyrics out on the latent frames, one token a frame, exactly as DiffRhythm was taught them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from generators.diffrhythm.lyrics.lrc import Line
from generators.diffrhythm.lyrics.phones import COMMA, END_OF_LINE


class PlacedLine(NamedTuple):
    """One line on the frames."""

    line: Line
    start_frame: int
    """First frame; later than its time where the line before still needs the frames."""
    tokens: tuple[int, ...]
    """One per frame from there, its end-of-line token last; cut where the song ends."""
    cut_tokens: int
    """How many of the tokens found no frame."""

    @property
    def end_frame(self) -> int:
        """One past the last frame."""
        return self.start_frame + len(self.tokens)


def place(
    lines: Sequence[Line], tokens: Sequence[Sequence[int]], *, frames: int, frame_rate_hz: float
) -> list[PlacedLine]:
    """Give every line its frames, in the order given.

    A line starts at its time or where the one before ended, whichever is later, and takes one frame a token. It is
    never cut because the next one begins; only the end of the song cuts. A full stop inside becomes a comma, since the
    token of the full stop ends every line.

    Parameters
    ----------
    lines, tokens
        Lines and the tokens of their words, without the end of the line.
    frames
        Length of the song.
    frame_rate_hz
        Latent frames per second.
    """
    placed, end = [], 0
    for line, ids in zip(lines, tokens, strict=True):
        wanted = (*(COMMA if token == END_OF_LINE else int(token) for token in ids), END_OF_LINE)
        start = max(int(line.time_s * frame_rate_hz), end)
        fitting = wanted[: max(frames - start, 0)]
        placed.append(PlacedLine(line, start, fitting, len(wanted) - len(fitting)))
        end = start + len(fitting)
    return placed


def frame_tokens(placed: Sequence[PlacedLine], frames: int) -> list[int]:
    """One token per frame; 0 where nothing is sung."""
    row = [0] * frames
    for entry in placed:
        row[entry.start_frame : entry.end_frame] = entry.tokens
    return row
