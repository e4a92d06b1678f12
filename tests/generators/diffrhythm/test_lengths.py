from __future__ import annotations

import pytest

from generators.diffrhythm.lengths import BASE, FULL, SongLengths
from tests.generators.diffrhythm.lyrics.recorded import read_json


def test_published_lengths():
    assert (BASE.shortest_s, BASE.longest_s, BASE.frames(95.0)) == (95, 95, 2048)
    assert (FULL.shortest_s, FULL.longest_s) == (96, 285)
    assert [FULL.frames(s) for s in (96, 130, 285)] == [2067, 2799, 6136]
    first = SongLengths(6144)
    assert (first.shortest_s, first.longest_s, first.frames(285.0)) == (285, 285, 6144)
    assert (BASE.full, FULL.full, first.full) == (False, True, True)


@pytest.mark.parametrize("lengths", [SongLengths(64), SongLengths(2048, 10.0), SongLengths(64, told=True)])
def test_other_networks_make_what_fits(lengths):
    assert lengths.shortest_s == 0
    assert lengths.longest_s == lengths.max_frames / lengths.frame_rate_hz
    assert lengths.frames(lengths.longest_s) == lengths.max_frames
    assert lengths.frames(1e-9) == 1


def test_the_recorded_lengths():
    cases = read_json("placement")["cases"]
    for case in cases:
        lengths = SongLengths(case["max_frames"], told=case["max_frames"] == 6144)
        assert lengths.frames(case["audio_length_s"]) == case["end_frame"]
        assert lengths.condition(case["end_frame"]) == case["song_duration"]
