"""Dense and sparse features offer the same algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.probes import DenseFeatures, SparseFeatures

N, K_ACTIVE, F = 50, 4, 30


@pytest.fixture
def sparse():
    random = np.random.default_rng(0)
    indices = np.stack([random.choice(F, K_ACTIVE, replace=False) for _ in range(N)])
    values = random.exponential(size=(N, K_ACTIVE)).astype(np.float32)
    values[3, 1:] = 0  # padded, as codes with fewer active features are
    return SparseFeatures(torch.from_numpy(indices), torch.from_numpy(values), F)


@pytest.fixture
def dense(sparse):
    return DenseFeatures(torch.zeros(N, F).scatter(1, sparse.indices, sparse.values))


def test_products_agree_with_the_dense_matrix(sparse, dense):
    random = torch.Generator().manual_seed(0)
    weights, rows = torch.randn(F, 7, generator=random), torch.randn(N, 7, generator=random)
    torch.testing.assert_close(sparse.matmul(weights), dense.values @ weights)
    torch.testing.assert_close(sparse.transposed_matmul(rows), dense.values.T @ rows)
    torch.testing.assert_close(sparse.gram(), dense.gram())
    for ours, plain in zip(
        sparse.moments(), (dense.values.double().mean(0), dense.values.double().std(0, correction=0)), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(sparse.columns(np.array([5, 2])).values, dense.values[:, [5, 2]])
    torch.testing.assert_close(sparse.take(np.array([9, 1])).matmul(weights), dense.values[[9, 1]] @ weights)


def test_gradient_of_the_sparse_product(sparse):
    weights = torch.randn(F, 3, dtype=torch.float32, requires_grad=True)
    rows = torch.randn(N, 3)
    (sparse.matmul(weights) * rows).sum().backward()
    torch.testing.assert_close(weights.grad, sparse.transposed_matmul(rows))


def test_entries_list_every_active_value_by_feature(sparse, dense):
    frame, feature, value = sparse.entries()
    assert np.all(np.diff(feature) >= 0)
    rebuilt = np.zeros((N, F), np.float32)
    rebuilt[frame, feature] = value
    np.testing.assert_array_equal(rebuilt, dense.values.numpy())
    assert len(value) == (rebuilt != 0).sum()
    frame, feature, value = dense.entries()
    np.testing.assert_array_equal(dense.values.numpy()[frame, feature], value)
    assert len(value) == N * F


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        DenseFeatures(torch.full((2, 2), torch.nan))
    with pytest.raises(ValueError, match="float32"):
        DenseFeatures(torch.zeros(2, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"0\.\.3"):
        SparseFeatures(torch.tensor([[0, 4]]), torch.ones(1, 2), 4)
    with pytest.raises(ValueError, match="one shape"):
        SparseFeatures(torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 2), 4)
