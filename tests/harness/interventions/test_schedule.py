from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.sampling import time_grid
from harness.errors import InputError
from harness.interventions.schedule import Schedule

TIMES = tuple(k / 8 for k in range(9))


def test_windows_end_to_end_cover_every_step_once():
    edges = [0.0, 0.3, 0.5, 1.0]
    total = [0.0] * 8
    for start, stop in itertools.pairwise(edges):
        total = [a + b for a, b in zip(total, Schedule(t=(start, stop)).strengths(TIMES), strict=True)]
    assert total == [1.0] * 8


@given(t=st.floats(0, 1), width=st.floats(0, 0.01))
def test_a_narrow_window_is_one_update(t, width):
    strengths = Schedule(t=(t, min(t + width, 1.0))).strengths(TIMES)
    (step,) = [k for k, strength in enumerate(strengths) if strength]
    assert TIMES[step] <= t + width + 1e-6
    assert t <= TIMES[step + 1]


@pytest.mark.parametrize("steps", [3, 7, 10, 30, 50])
def test_edges_on_the_grid_are_met_though_times_are_rounded(steps):
    """The sampler's times are float32: 0.7 of ten steps is a little less than 0.7."""
    times = time_grid(steps)
    for first, stop in itertools.combinations(range(steps + 1), 2):
        strengths = Schedule(t=(first / steps, stop / steps)).strengths(times)
        assert strengths == tuple(float(first <= k < stop) for k in range(steps))


def test_steps_and_t_both_hold():
    assert Schedule(t=(0.0, 0.5), steps=(2, 8)).strengths(TIMES) == (0, 0, 1, 1, 0, 0, 0, 0)


def test_shapes():
    ramp = Schedule(steps=(2, 6), shape="ramp").strengths(TIMES)
    assert ramp == (0, 0, 0.125, 0.375, 0.625, 0.875, 0, 0)
    bump = Schedule(shape="cosine").strengths(TIMES)
    assert bump[0] == 0
    assert bump[4] == 1
    assert bump[2] == pytest.approx(0.5)


def test_frames_that_the_window_touches():
    schedule = Schedule(frames_s=(0.1, 0.3))
    mask = schedule.frame_mask(5, 10.0)
    assert mask is not None
    assert mask.tolist() == [False, True, True, False, False]
    touched = Schedule(frames_s=(0.15, 0.31)).frame_mask(5, 10.0)
    assert touched is not None
    assert touched.tolist() == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"t": (-0.1, 0.5)}, "both 0 to 1"),
        ({"t": (0.5, 1.5)}, "both 0 to 1"),
        ({"t": (0.6, 0.5)}, "start <= stop"),
        ({"t": (math.nan, 0.5)}, "finite"),
        ({"steps": (3, 3)}, "first < stop"),
        ({"steps": (0.5, 3)}, "whole numbers"),
        ({"frames_s": (1.0, 1.0)}, "start < stop"),
        ({"frames_s": (0.0, math.inf)}, "finite"),
        ({"branch": "guide"}, "guided, cond, uncond, both"),
        ({"shape": "square"}, "constant, ramp, cosine"),
    ],
)
def test_bad_windows(options, phrase):
    with pytest.raises(InputError, match=phrase):
        Schedule(**options)
