"""Solvers against closed forms and against scikit-learn, dense and sparse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from analysis.probes import DenseFeatures, FitConfig, SparseFeatures, fit_ridge, fit_softmax


def problem(frames=600, width=12, classes=5, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(frames, width)).astype(np.float32) * np.logspace(0, -2, width, dtype=np.float32) + 3
    target = ((x - 3) / np.logspace(0, -2, width) @ random.normal(size=(width, classes))).argmax(1)
    target = np.where(random.random(frames) < 0.2, random.integers(0, classes, frames), target)
    return x, target


def test_softmax_matches_scikit_learn():
    x, target = problem()
    l2 = 1e-2
    ours = fit_softmax(DenseFeatures(torch.from_numpy(x)), target, 5, FitConfig(l2=l2, tolerance=1e-9))
    z = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-8, max_iter=2000).fit(z, target)
    np.testing.assert_allclose(
        torch.softmax(ours(DenseFeatures(torch.from_numpy(x))), 1), theirs.predict_proba(z), atol=2e-3
    )


def test_balanced_weights_match_scikit_learn():
    x, target = problem()
    keep = (target != 0) | (np.arange(len(target)) % 5 == 0)
    x, target = x[keep], target[keep]
    ours = fit_softmax(
        DenseFeatures(torch.from_numpy(x)), target, 5, FitConfig(l2=1e-2, tolerance=1e-9, class_weight="balanced")
    )
    z = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=100 / len(x), tol=1e-8, max_iter=2000, class_weight="balanced").fit(z, target)
    np.testing.assert_allclose(
        torch.softmax(ours(DenseFeatures(torch.from_numpy(x))), 1), theirs.predict_proba(z), atol=3e-3
    )


def test_sparse_and_dense_fits_agree_and_repeat():
    random = np.random.default_rng(1)
    indices = torch.from_numpy(np.stack([random.choice(20, 5, replace=False) for _ in range(400)]))
    values = torch.from_numpy(random.exponential(size=(400, 5)).astype(np.float32))
    sparse = SparseFeatures(indices, values, 25)  # features 20..24 never fire
    dense = DenseFeatures(torch.zeros(400, 25).scatter(1, indices, values))
    target = (dense.values @ torch.randn(25, 4)).argmax(1).numpy()
    config = FitConfig(l2=1e-2, tolerance=1e-9)
    one, two, other = (fit_softmax(part, target, 4, config) for part in (sparse, sparse, dense))
    assert torch.equal(one.weights, two.weights)
    torch.testing.assert_close(one(sparse), other(dense), atol=5e-3, rtol=0)
    assert not one.weights[20:].any()


def test_classes_without_examples_get_probability_zero():
    x, target = problem()
    linear = fit_softmax(DenseFeatures(torch.from_numpy(x)), target * 2, 11)
    probabilities = torch.softmax(linear(DenseFeatures(torch.from_numpy(x))), 1).numpy()
    assert np.isfinite(probabilities).all()
    assert probabilities[:, 1::2].max() == 0
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_ridge_matches_scikit_learn():
    x, _ = problem()
    y = x @ np.linspace(-1, 1, x.shape[1]) + np.random.default_rng(2).normal(size=len(x))
    ours = fit_ridge(DenseFeatures(torch.from_numpy(x)), y, l2=1e-2)
    z = (x - x.mean(0)) / x.std(0)
    theirs = Ridge(alpha=1e-2 * len(x)).fit(z, y)
    np.testing.assert_allclose(ours(DenseFeatures(torch.from_numpy(x)))[:, 0], theirs.predict(z), atol=1e-3)


def test_bad_targets_are_refused():
    features = DenseFeatures(torch.randn(10, 3))
    with pytest.raises(ValueError, match="at least two classes"):
        fit_softmax(features, np.zeros(10, int), 4)
    with pytest.raises(ValueError, match="unvoiced"):
        fit_softmax(features, np.full(10, -1), 4)
    with pytest.raises(ValueError, match=r"\[10\]"):
        fit_softmax(features, np.zeros(9, int), 4)
    with pytest.raises(ValueError, match="finite"):
        fit_ridge(features, np.full(10, np.nan))
    with pytest.raises(ValueError, match="l2"):
        FitConfig(l2=0)
