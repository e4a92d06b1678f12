"""Notes on the frame grid."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from generators.mini.score import NUM_TOKENS, REST, Note, spread, tokens
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
    assert high == NUM_TOKENS - 1
    assert high - low == HIGHEST_MIDI - LOWEST_MIDI
