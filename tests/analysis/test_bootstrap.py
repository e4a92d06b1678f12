"""Bootstrap: exact on known sums, paired by name, and honest in coverage."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.bootstrap import Interval, bootstrap, group_weights, interval


def mean(sums):
    return sums[..., 1:] / sums[..., :1]


def mean_interval(x, groups, **options):
    return bootstrap(np.stack([np.ones_like(x), x], axis=1), groups, mean, **options)


def test_value_is_the_plain_statistic_and_lies_inside():
    x = np.random.default_rng(0).normal(size=200)
    found = mean_interval(x, np.arange(200) // 10)
    assert found.value[0] == pytest.approx(x.mean())
    assert found.low[0] < x.mean() < found.high[0]


def test_an_interval_is_written_by_a_format():
    found = Interval(*(np.asarray(x) for x in (0.5, 0.25, 1.0)))
    assert f"{found:.0%}" == "50% [25%, 100%]"
    assert f"{Interval(found.value, np.asarray(np.nan), np.asarray(np.nan)):.1f}" == "0.5"
    assert f"{Interval(*[np.asarray(np.nan)] * 3):.1f}" == "–"


def test_order_of_frames_does_not_matter_but_grouping_does():
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 10)
    x = random.normal(size=20)[groups] + 0.1 * random.normal(size=200)
    order = random.permutation(200)
    grouped, mixed = mean_interval(x, groups), mean_interval(x[order], groups[order])
    np.testing.assert_allclose([mixed.low, mixed.high], [grouped.low, grouped.high])
    alone = mean_interval(x, np.arange(200))
    assert (grouped.high - grouped.low) > 2 * (alone.high - alone.low)


def test_weights_depend_on_name_and_seed_only():
    np.testing.assert_array_equal(group_weights("a"), group_weights("a"))
    assert not np.array_equal(group_weights("a"), group_weights("b"))
    assert not np.array_equal(group_weights("a"), group_weights("a", seed=1))
    wide = group_weights("a", 50_000, blocks=4)
    assert wide.shape == (50_000, 4)
    assert wide.mean() == pytest.approx(1, abs=0.02)
    # Var(w v) = E[w^2] E[v^2] - 1 = 3 for two independent Exponential(1) weights.
    assert wide.var() == pytest.approx(3, rel=0.1)


def test_coverage_of_a_mean_over_groups():
    random = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        groups = np.repeat(np.arange(40), 5)
        x = random.normal(size=40)[groups] + random.normal(size=200)
        found = mean_interval(x, np.char.add(f"{trial}-", groups.astype(str)), replicates=300)
        hits += found.low[0] <= 0 <= found.high[0]
    assert 0.89 <= hits / 200 <= 0.99


def test_interval_checks_shapes_and_writes_undefined_as_null():
    with pytest.raises(ValueError, match="one shape"):
        Interval(np.zeros(3), np.zeros(3), np.zeros(2))
    found = interval([1.0, np.nan], np.array([[0.0, np.nan], [2.0, np.nan]]), level=1.0)
    assert json.dumps(found.to_json()) == '{"value": [1.0, null], "low": [0.0, null], "high": [2.0, null]}'
    assert found[0].value == 1.0
