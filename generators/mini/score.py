"""Notes on the latent frame grid, and their tokens: the route by which DiffRhythm places lyrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.mini.vocabulary import HIGHEST_MIDI, LOWEST_MIDI

FREE, REST = 0, 1
PITCHES_PER_SEMITONE = 4
"""Training hears notes out of tune, too, and says by how many quarters of a semitone."""
MAX_DETUNING = 0.5
NUM_PITCHES = int((HIGHEST_MIDI - LOWEST_MIDI + 2 * MAX_DETUNING) * PITCHES_PER_SEMITONE) + 1
_ONSET = 2
_SUSTAIN = _ONSET + NUM_PITCHES
NUM_TOKENS = _SUSTAIN + NUM_PITCHES
"""FREE (the model decides), REST, then one onset and one sustain token for each pitch, from low to high."""


@dataclass(frozen=True)
class Note:
    """One note: MIDI number, and the frames it sounds in (``end`` excluded)."""

    midi: int
    start: int
    end: int


def spread(midis: Sequence[int | None], frames: int) -> list[Note]:
    """Give each entry an equal share of ``frames``; None is a rest."""
    borders = [round(k * frames / max(len(midis), 1)) for k in range(len(midis) + 1)]
    return [
        Note(midi, start, end)
        for midi, start, end in zip(midis, borders[:-1], borders[1:], strict=True)
        if midi is not None
    ]


def tokens(notes: Sequence[Note], frames: int, detuning: float = 0.0) -> Tensor:
    """Tokens int64 ``[frames]`` of notes that sound ``detuning`` semitones off, and rests between them."""
    row = torch.full((frames,), REST, dtype=torch.int64)
    for note in notes:
        pitch = round((note.midi + detuning - LOWEST_MIDI + MAX_DETUNING) * PITCHES_PER_SEMITONE)
        row[note.start : note.end] = _SUSTAIN + pitch
        row[note.start] = _ONSET + pitch
    return row


def note_tokens(midis: Sequence[int | None] | None, frames: int) -> Tensor:
    """Tokens int64 ``[frames]`` of notes that share the frames evenly; all FREE for None."""
    return torch.full((frames,), FREE) if midis is None else tokens(spread(midis, frames), frames)
