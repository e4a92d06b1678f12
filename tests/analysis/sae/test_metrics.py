import json

import numpy as np
import pytest
import torch

from analysis.sae.base import build
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.metrics import evaluate


def identity_sae(d: int = 4) -> torch.nn.Module:
    """Two features per channel, one for each sign: reconstructs everything."""
    sae = build(SAEConfig("standard", d, 2 * d + 1, sparsity=0.0))
    both = torch.cat([torch.eye(d), -torch.eye(d), torch.zeros(1, d)])
    with torch.no_grad():
        sae.W_enc.copy_(both.T)
        sae.W_dec.copy_(both)
    return sae


def test_perfect_reconstruction() -> None:
    data = np.random.default_rng(0).standard_normal((5000, 4)).astype(np.float32)
    metrics = evaluate(identity_sae(), data)
    assert metrics.fvu == pytest.approx(0, abs=1e-12)
    assert metrics.cosine == pytest.approx(1)
    assert metrics.l0 == 4
    assert metrics.dead == pytest.approx(1 / 9)
    assert metrics.dense == pytest.approx(8 / 9)
    assert metrics.frequency[:4] + metrics.frequency[4:8] == pytest.approx(np.ones(4))


def test_answering_the_mean_explains_nothing() -> None:
    data = (3 + np.random.default_rng(0).standard_normal((500, 4))).astype(np.float32)
    sae = identity_sae()
    with torch.no_grad():
        sae.W_dec.zero_()
        sae.b_dec.copy_(torch.from_numpy(data.mean(0)))
    metrics = evaluate(sae, data)
    assert metrics.fvu == pytest.approx(1)
    assert metrics.explained_variance == pytest.approx(0, abs=1e-6)


def test_histogram_counts_living_features_by_rarity() -> None:
    data = np.zeros((1000, 4), np.float32)
    data[0, 0] = data[:100, 1] = data[:, 2] = 1.0
    histogram = evaluate(identity_sae(), data).density_histogram()
    assert {int(i): int(n) for i, n in enumerate(histogram) if n} == {12: 1, 20: 1, 23: 1}


def test_json_is_json() -> None:
    data = np.random.default_rng(0).standard_normal((100, 4)).astype(np.float32)
    assert json.loads(json.dumps(evaluate(identity_sae(), data).to_json(), allow_nan=False))["rows"] == 100


@pytest.mark.parametrize("data", [np.zeros((0, 4)), np.ones((9, 4)), np.full((9, 4), np.nan)])
def test_data_without_variance_are_refused(data: np.ndarray) -> None:
    with pytest.raises(SAEError, match="the data have no"):
        evaluate(identity_sae(), data)
