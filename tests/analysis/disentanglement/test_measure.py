"""Closed-form truths: factors planted one a number, rotated over all numbers, and not planted at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.linalg

from analysis.disentanglement import measure

N, K = 600, 4
NAMES = ["a", "b", "c", "d"]
SPLIT = np.where(np.arange(N) % 5 == 0, "test", "train")
RNG = np.random.default_rng(0)
FACTORS = RNG.standard_normal((N, K))


def test_one_number_a_factor_is_perfect():
    noise = RNG.standard_normal((N, 3))
    scores = measure(np.concatenate([FACTORS, noise], 1), FACTORS, NAMES, SPLIT)
    assert scores.completeness.min() > 0.98
    assert scores.modularity > 0.98
    assert scores.informativeness.min() > 0.99
    assert scores.gap.min() > 0.85  # the bias of the second number's information is 19^2 / 2N nats of log 20
    np.testing.assert_allclose(scores.spread, 1, atol=0.05)


def test_factors_rotated_over_all_numbers_are_entangled_but_there():
    rotation = scipy.linalg.hadamard(K) / 2.0
    scores = measure(FACTORS @ rotation, FACTORS, NAMES, SPLIT)
    assert scores.completeness.max() < 0.02
    assert scores.modularity < 0.02
    assert scores.informativeness.min() > 0.99
    assert scores.gap.max() < 0.1
    np.testing.assert_allclose(scores.spread, K, rtol=0.03)


def test_two_numbers_that_share_a_factor_evenly():
    """Entropy log 2 over D = 4: completeness 1 - log 2 / log 4."""
    shared = np.concatenate([FACTORS[:, :1] + FACTORS[:, 1:2], FACTORS[:, :1] - FACTORS[:, 1:2], FACTORS[:, 2:]], 1)
    scores = measure(shared, FACTORS, NAMES, SPLIT)
    np.testing.assert_allclose(scores.completeness, [0.5, 0.5, 1, 1], atol=0.02)
    np.testing.assert_allclose(scores.spread, [2, 2, 1, 1], rtol=0.03)


def test_dead_numbers_change_nothing_at_the_same_base():
    rotated = FACTORS @ scipy.linalg.hadamard(K) / 2
    wide = np.concatenate([rotated, np.zeros((N, 60))], 1)
    narrow_scores, wide_scores = (measure(x, FACTORS, NAMES, SPLIT, base=64) for x in (rotated, wide))
    np.testing.assert_allclose(wide_scores.completeness, narrow_scores.completeness, atol=1e-4)
    np.testing.assert_allclose(wide_scores.spread, narrow_scores.spread, rtol=1e-4)
    own_base = measure(rotated, FACTORS, NAMES, SPLIT).completeness
    assert (narrow_scores.completeness > own_base + 0.5).all()  # why bases must agree


def test_what_is_not_there_is_not_read_on_held_out_rows():
    scores = measure(RNG.standard_normal((N, 200)), FACTORS, NAMES, SPLIT)
    assert scores.informativeness.max() < 0.1
    json.dumps(scores.to_json(), allow_nan=False)


def test_rows_without_a_factor_are_left_out():
    holes = FACTORS.copy()
    holes[::7, 2] = np.nan
    scores = measure(FACTORS, holes, NAMES, SPLIT)
    assert scores.informativeness.min() > 0.99


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"factors": FACTORS[:5]}, "are needed"),
        ({"names": ["a"]}, "are needed"),
        ({"base": 2}, "base 2 is smaller"),
        ({"split": np.full(N, "train")}, "at least 8 clips"),
    ],
)
def test_bad_input(change, words):
    given = {"features": FACTORS, "factors": FACTORS, "names": NAMES, "split": SPLIT} | change
    with pytest.raises(ValueError, match=words):
        measure(**given)
