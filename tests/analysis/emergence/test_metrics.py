"""The formulas on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from analysis.emergence import commit_steps, crossing_time, js_distance, paek_progress
from analysis.emergence.metrics import fragile_share


def test_js_distance():
    p = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(js_distance(p, p), 0, atol=1e-7)
    assert js_distance(p[0], np.array([0, 1.0, 0])) == pytest.approx(1)
    np.testing.assert_allclose(js_distance(p, p[::-1]), jensenshannon(p.T, p[::-1].T, base=2), atol=1e-7)


def test_paek_progress_by_hand():
    p = np.array([[0.5, 0.5, 0.0], [0.6, 0.3, 0.1], [0.9, 0.1, 0.0]])
    # Class 0: .1/.4, class 1: .2/.4, class 2 ends where it began and is left out.
    np.testing.assert_allclose(paek_progress(p), [0, (0.25 + 0.5) / 2, 1])
    assert fragile_share(p) == pytest.approx(1 / 3)
    assert np.isnan(paek_progress(np.full((3, 2), 0.5))).all()


def test_paek_progress_blows_up_where_js_does_not():
    p = np.array([[0.5, 0.5], [0.9, 0.1], [0.501, 0.499]])
    assert paek_progress(p)[1] == pytest.approx(400)
    assert js_distance(p[1], p[2]) < 0.5


def test_commit_steps():
    within = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(commit_steps(within), [0, 1, 2, 3])


def test_crossing_time():
    t = np.array([0.0, 0.2, 0.4, 1.0])
    curves = np.array(
        [[0, 0, 1, 1], [0.6, 0.7, 0.8, 0.9], [0, 0.9, 0, 1], [0, 0, 0, 0.4], [0, np.nan, 1, 1], [0.9, 0.4, 0.6, 1]]
    )
    np.testing.assert_allclose(crossing_time(t, curves, 0.5), [0.3, 0, 0.7, np.inf, np.nan, 0.3])
