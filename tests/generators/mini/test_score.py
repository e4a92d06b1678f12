"""Notes on the frame grid."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from generators.mini.score import NUM_TOKENS, PITCHES_PER_SEMITONE, REST, Note, spread, tokens
from generators.mini.vocabulary import HIGHEST_MIDI, LOWEST_MIDI

MIDIS = st.lists(st.none() | st.integers(LOWEST_MIDI, HIGHEST_MIDI), min_size=1, max_size=8)


@given(midis=MIDIS, frames=st.integers(8, 200))
def test_spread_shares_the_clip_without_gaps_or_overlaps(midis: list[int | None], frames: int) -> None:
    notes = spread(midis, frames)
    assert [note.midi for note in notes] == [midi for midi in midis if midi is not None]
    assert all(a.end <= b.start for a, b in itertools.pairwise(notes))
    if None not in midis:
        assert notes[0].start == 0
        assert notes[-1].end == frames
        assert sum(note.end - note.start for note in notes) == frames


def test_tokens_mark_onsets_sustains_and_rests() -> None:
    row = tokens([Note(LOWEST_MIDI, 0, 3), Note(HIGHEST_MIDI, 4, 6)], 8)
    low, high = row[1].item(), row[5].item()
    assert row.tolist()[3] == REST
    assert row.tolist()[6:] == [REST, REST]
    assert row[0] != low
    assert row[1] == row[2] == low
    assert row[4] != high
    assert high - low == (HIGHEST_MIDI - LOWEST_MIDI) * PITCHES_PER_SEMITONE


@given(detuning=st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5]))
def test_tokens_of_detuned_notes_lie_between_those_of_the_semitones(detuning: float) -> None:
    lowest, highest = Note(LOWEST_MIDI, 0, 2), Note(HIGHEST_MIDI, 2, 4)
    in_tune, row = tokens([lowest, highest], 4), tokens([lowest, highest], 4, detuning)
    assert (row - in_tune).tolist() == [round(detuning * PITCHES_PER_SEMITONE)] * 4
    assert row.min() > REST
    assert row.max() < NUM_TOKENS
    assert set(row[::2].tolist()).isdisjoint(row[1::2].tolist())
