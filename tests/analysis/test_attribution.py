"""Attribution against scikit-learn and brute force, one feature and class at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from analysis.attribution import attribute
from analysis.probes import DenseFeatures, SparseFeatures

N, F, K_ACTIVE, CLASSES = 200, 12, 3, 4


@pytest.fixture
def sparse():
    random = np.random.default_rng(0)
    indices = np.stack([random.choice(F - 1, K_ACTIVE, replace=False) for _ in range(N)])  # the last never fires
    values = random.integers(0, 6, (N, K_ACTIVE)) / 2  # many ties, some zeros
    return SparseFeatures(torch.from_numpy(indices), torch.from_numpy(values).float(), F)


@pytest.fixture
def target():
    return np.random.default_rng(1).choice([0, 1, 3], N)


def brute_f1(x, positive):
    return max(f1_score(positive, x >= theta, zero_division=0) for theta in np.unique(x[x > 0]))


def test_matches_brute_force(sparse, target):
    dense = np.zeros((N, F))
    np.add.at(dense, (np.arange(N)[:, None], sparse.indices.numpy()), sparse.values.numpy())
    found = attribute(sparse, target, CLASSES)
    np.testing.assert_array_equal(found.counts, np.bincount(target, minlength=CLASSES))
    for k in (0, 1, 3):
        positive = target == k
        np.testing.assert_allclose(found.mean[:, k], dense[positive].mean(0))
        np.testing.assert_allclose(found.firing[:, k], (dense[positive] != 0).mean(0))
        for feature in range(F):
            x = dense[:, feature]
            assert found.auc[feature, k] == pytest.approx(roc_auc_score(positive, x))
            if not x[positive].any():
                assert found.f1[feature, k] == 0
                assert found.theta[feature, k] == np.inf
                continue
            assert found.f1[feature, k] == pytest.approx(brute_f1(x, positive))
            assert f1_score(positive, x >= found.theta[feature, k]) == pytest.approx(found.f1[feature, k])
    for part in (found.mean, found.firing, found.auc, found.f1):
        assert np.isnan(part[:, 2]).all()


def test_dense_features_with_negative_values(target):
    values = np.random.default_rng(2).normal(size=(N, 3)).astype(np.float32)
    found = attribute(DenseFeatures(torch.from_numpy(values)), target, CLASSES)
    assert found.auc[1, 3] == pytest.approx(roc_auc_score(target == 3, values[:, 1]))
    thresholds = [f1_score(target == 3, values[:, 1] >= theta) for theta in values[:, 1]]
    assert found.f1[1, 3] == pytest.approx(max(thresholds))


def test_planted_feature_is_found_and_written(target):
    indices = np.stack([target, 5 + np.arange(N) % 5], axis=1)
    found = attribute(SparseFeatures(torch.from_numpy(indices), torch.ones(N, 2), F), target, CLASSES)
    for k in (0, 1, 3):
        first, second = found.best(k, count=2)
        assert first["feature"] == k
        assert first["f1"] == first["auc"] == 1
        assert second["f1"] < 0.6
    assert found.best(2) == []
    json.dumps(found.best(0), allow_nan=False)


def test_negative_sparse_codes_are_refused(target):
    codes = SparseFeatures(torch.zeros(N, 1, dtype=torch.long), -torch.ones(N, 1), F)
    with pytest.raises(ValueError, match="negative"):
        attribute(codes, target, CLASSES)
