from __future__ import annotations

import pytest

from harness.reproduce.estimate import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (150, "2.5 min"), (1046, "17 min"), (5400, "1.5 h"), (36000, "10 h")],
)
def test_times_are_as_exact_as_an_estimate_is(seconds: float, words: str) -> None:
    assert duration(seconds) == words
