"""Comparisons of timed variants, on seconds that are given."""

from __future__ import annotations

import pytest

from benchmarks.timing import against, in_turns, share

BUSY = [0.1, 0.4, 0.2, 0.15, 0.3, 0.12, 0.9, 0.25, 0.11, 0.5]
"""What else happens in each round: it slows all variants alike."""


def rounds(extra_s: float) -> dict[str, list[float]]:
    return {"cpu_s": [busy + extra_s for busy in BUSY]}


def test_what_slows_all_variants_alike_does_not_count() -> None:
    row = against({"bare": rounds(0), "more": rounds(0.01)}, "bare")["more"]
    assert row["cpu_extra_ms"] == pytest.approx(10)
    assert row["cpu_extra_ms_95"] == pytest.approx([10, 10])
    assert row["cpu_ratio_95"][0] < row["cpu_ratio"] < row["cpu_ratio_95"][1]
    found = share({"bare": rounds(0), "own": rounds(0.01), "other": rounds(0.05)}, "own", "other", "bare")
    assert found == {"share": 0.2, "share_95": [0.2, 0.2]}


def test_an_interval_needs_enough_rounds() -> None:
    few = {name: {"cpu_s": seconds[:4]} for name, seconds in (("bare", BUSY), ("more", BUSY))}
    assert against(few, "bare")["more"]["cpu_ratio_95"] is None


def test_every_variant_runs_once_a_round_and_once_to_warm_up() -> None:
    calls: list[str] = []
    times = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert [len(seconds) for clocks in times.values() for seconds in clocks.values()] == [2, 2, 2, 2]
