"""Labels that codes must also reconstruct while they are trained, and that no encoder sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.formats import saelens
from analysis.sae.learner import Record, TrainConfig
from analysis.sae.metrics import evaluate
from analysis.sae.supervision import SupervisedRows, Supervision, blind
from analysis.sae.train import Trainer
from analysis.source import Source
from tests.analysis.sae.planted import planted

SHORT = TrainConfig(steps=24, batch_size=128, dead_after=128, record_every=8)
CONFIGS = [
    SAEConfig("topk", 24, 64, k=3),
    SAEConfig("batch_topk", 24, 64, k=3),
    SAEConfig("matryoshka", 24, 64, k=3),
    SAEConfig("jumprelu", 24, 64, k=3),
    SAEConfig("standard", 24, 64, sparsity=0.3),
    SAEConfig("rms", 24, 64, sparsity=0.3),
    SAEConfig("random", 24, 64, k=3),
]

GRID = [config for config in CONFIGS if config.architecture in ("topk", "standard")]


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return planted(1000)[0]


def labelled(data: np.ndarray, weight: float = 2.0) -> Supervision:
    return Supervision("loudness", np.abs(data[:, 0]) - 20, weight)


def explained(sae: SAE, x: np.ndarray, y: np.ndarray, train: int) -> float:
    """R2 of ``y`` read linearly from the code, on the rows that the readout was not fitted on."""
    with torch.no_grad():
        code = sae.encode(torch.from_numpy(x)).double().numpy()
    code = np.concatenate([code, np.ones((len(x), 1))], axis=1)
    fitted = code[:train]
    weights = np.linalg.solve(fitted.T @ fitted + 0.1 * np.eye(code.shape[1]), fitted.T @ y[:train])
    return float(1 - (y - code @ weights)[train:].var() / y[train:].var())


def test_a_label_that_is_not_linear_in_the_vectors_becomes_linear_in_the_code() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 8)).astype(np.float32)
    y, train = x[:, 0] * x[:, 1], 4000
    plan = TrainConfig(steps=200, batch_size=500, learning_rate=1e-2)

    def trained(*supervision: Supervision) -> SAE:
        return Trainer(x[:train], [SAEConfig("topk", 8, 128, k=8)], plan, supervision=supervision).run()[0]

    told = trained(Supervision("product", y[:train], 4.0))
    assert explained(trained(), x, y, train) < 0.75
    assert explained(told, x, y, train) > 0.9
    assert evaluate(told, x[train:]).fvu < 0.15


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.architecture)
def test_every_architecture_can_be_supervised_and_is_saved_as_an_sae_of_the_vectors(
    config: SAEConfig, data: np.ndarray, tmp_path: Path
) -> None:
    source = Source("codec", "ab" * 32, "latents", 24)
    records: list[Record] = []
    trainer = Trainer(data, [config], SHORT, source, supervision=[labelled(data)])
    sae = trainer.run(records.append)[0]
    assert (sae.config, sae.source, tuple(sae.W_enc.shape)) == (config, source, (24, 64))
    saelens.save(sae, tmp_path)
    assert saelens.load(tmp_path, source).sha256 == sae.sha256
    assert sae.sha256 != Trainer(data, [config], SHORT, source).run()[0].sha256
    assert records[-1].fvu < records[0].fvu


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.architecture)
def test_encoders_never_see_labels(config: SAEConfig, data: np.ndarray, tmp_path: Path) -> None:
    trainer = Trainer(data, [config], SHORT, supervision=[labelled(data)])
    for _ in range(SHORT.steps):
        trainer.step()
    trainer.save(tmp_path / "state")
    wide = Trainer(data, [config], SHORT, supervision=[labelled(data)])
    wide.resume(tmp_path / "state")
    inside = wide._learners[0].sae
    normalised = torch.from_numpy(((data - data.mean(0)) / data.std()).astype(np.float32))[:50]
    codes = [inside.encode(torch.cat([normalised, torch.full((50, 1), level)], 1)) for level in (0.0, 9.0)]
    assert torch.equal(*codes)
    assert (inside.W_dec[:, -1] != 0).any()


def test_dead_features_that_are_pointed_elsewhere_stay_blind(data: np.ndarray) -> None:
    config = SAEConfig("standard", 24, 64, sparsity=0.3)
    trainer = Trainer(data, [config], replace(SHORT, decay=0.1), supervision=[labelled(data)])
    learner, revived = trainer._learners[0], []
    with torch.no_grad():
        learner.sae.b_enc[:9] = -100
    real = learner.sae.revive
    learner.sae.revive = lambda dead, directions: revived.append(len(dead)) or real(dead, directions)
    for _ in range(4):
        trainer.step()
        assert not learner.sae.W_enc[-1].any()
    assert sum(revived) >= 9


def test_supervised_training_resumes_bit_for_bit(data: np.ndarray, tmp_path: Path) -> None:
    def trainer(weight: float = 2.0) -> Trainer:
        return Trainer(data, GRID, SHORT, supervision=[labelled(data, weight)])

    path, interrupted = tmp_path / "state.safetensors", trainer()
    for _ in range(13):
        interrupted.step()
    interrupted.save(path)
    whole, resumed = trainer().run(), trainer().run(checkpoint=path)
    assert [sae.sha256 for sae in whole] == [sae.sha256 for sae in resumed]
    for other in (trainer(3.0), Trainer(data, GRID, SHORT)):
        with pytest.raises(SAEError, match="was written with supervision"):
            other.resume(path)


def test_records_measure_the_vectors_alone(data: np.ndarray) -> None:
    noise = np.random.default_rng(0).standard_normal(len(data))
    plan = TrainConfig(steps=60, batch_size=256, learning_rate=1e-2, record_every=60)
    records: list[Record] = []
    sae = Trainer(data, CONFIGS[:1], plan, supervision=[Supervision("noise", noise, 3.0)]).run(records.append)[0]
    # Half of the joint variance is noise that no code of the vectors can know.
    assert evaluate(sae, data).fvu < records[0].fvu < 1.2


def test_labels_become_channels_of_the_asked_deviation() -> None:
    rng = np.random.default_rng(0)
    data, labels = rng.standard_normal((100, 3)).astype(np.float32), rng.normal(50, 7, (100, 2))
    rows = SupervisedRows(data, [Supervision("pair", labels, 8.0)])
    assert (rows.shape, rows.unseen) == ((100, 5), 2)
    np.testing.assert_array_equal(rows[10:20][:, :3], data[10:20])
    np.testing.assert_allclose(rows[0:100][:, 3:].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(rows[0:100][:, 3:].std(0), 8, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "weight", "message"),
    [
        ([1.0, np.nan, 3.0], 1.0, "pitch has no value in 1 of 3 rows"),
        ([[1.0, 2.0], [np.inf, 0.0]], 1.0, "pitch has no value in 1 of 2 rows"),
        ([2.0, 2.0], 1.0, "pitch is the same in all 2 rows"),
        ([1.0, 2.0], 0.0, "weight of pitch must be a positive number; got 0"),
        ([1.0, 2.0], float("inf"), "weight of pitch must be"),
    ],
)
def test_labels_that_cannot_supervise_are_refused(values: list, weight: float, message: str) -> None:
    with pytest.raises(SAEError, match=message):
        Supervision("pitch", values, weight)


def test_labels_of_other_rows_are_refused(data: np.ndarray) -> None:
    with pytest.raises(SAEError, match="loudness has 999 rows, the data 1000"):
        Trainer(data, CONFIGS[:1], SHORT, supervision=[labelled(data[1:])])


def test_only_the_last_rows_and_their_gradient_are_blinded() -> None:
    W_enc = torch.nn.Parameter(torch.ones(3, 2))
    W_enc.grad = torch.ones(3, 2)
    blind(W_enc, 0)
    assert W_enc.sum() == W_enc.grad.sum() == 6
    blind(W_enc, 1)
    assert W_enc.tolist() == W_enc.grad.tolist() == [[1, 1], [1, 1], [0, 0]]
