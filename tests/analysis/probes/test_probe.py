"""A probe from task to file: fits, is calibrated, keeps its provenance, refuses what it was not made for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.feature_selection import f_classif

from analysis.probes import (
    DenseFeatures,
    ProbeFileError,
    ProbeTask,
    SparseFeatures,
    f_ratios,
    load_probe,
    save_probe,
    score_values,
    score_with_controls,
    train_probe,
    train_regression,
)
from analysis.probes.calibration import fit_temperature
from analysis.properties.bins import Bins
from analysis.sae.base import build
from analysis.sae.config import SAEConfig
from analysis.source import Source, SourceError

SOURCE = Source(model_id="mini-codec", weights_sha256="ab" * 32, hook_point="latents", d_in=8)
BINS = Bins(tuple(np.linspace(-3, 3, 7).tolist()))


@pytest.fixture(scope="module")
def latents():
    """60 files of 20 frames; one latent direction carries the property, feature 3 most of it."""
    random = np.random.default_rng(0)
    values = np.repeat(random.uniform(-3, 3, 60 * 4), 5)
    x = random.normal(size=(len(values), 8)).astype(np.float32)
    x[:, 3] += 12 * values
    x[:, 5] -= values
    return DenseFeatures(torch.from_numpy(x)), values


@pytest.fixture(scope="module")
def task(latents):
    values = latents[1].copy()
    values[::10] = np.nan
    return ProbeTask.of("loudness", "dB", 0.5, BINS, values, np.repeat(np.arange(60), 20))


@pytest.fixture(scope="module")
def probe(latents, task):
    return train_probe(latents[0], task, SOURCE)


def test_scores_beside_all_controls(latents, task, probe):
    features, values = latents
    random = np.random.default_rng(1)
    noise = DenseFeatures(torch.from_numpy(random.normal(size=(len(values), 8)).astype(np.float32)))
    table = score_with_controls(probe, features, task, beside={"random dictionary": noise}, best_k=(1, 2))
    accuracy = table.probe.accuracy
    assert 0.8 < accuracy.low < accuracy.value < accuracy.high
    for control in (table.majority, table.shuffled, table.beside["random dictionary"]):
        assert control.accuracy.high < accuracy.low
        assert control.balanced_accuracy.value == pytest.approx(1 / 6, abs=0.12)
    assert table.majority.balanced_accuracy.value == pytest.approx(1 / 6)
    assert table.best_k[1].accuracy.value <= table.best_k[2].accuracy.value + 0.05
    assert table.best_k[1].accuracy.value > 0.7
    assert table.probe.off_by_1.value > table.probe.accuracy.value
    assert table.probe.calibration_error.value < 0.1
    assert table.probe.frames == len(task.rows("test")) < (task.split == "test").sum()
    assert set(json.loads(json.dumps(table.to_json()))) == {
        *("probe", "majority", "shuffled", "best_1", "best_2", "random dictionary")
    }


def test_regression(latents, task):
    features, _ = latents
    ridge = train_regression(features, task, SOURCE)
    test = task.rows("test")
    score = score_values(ridge.values(features.take(test)), task.values[test], task.groups[test], tolerance=0.5)
    assert score.r2.value > 0.95
    assert score.error.value < 0.3
    assert score.within.value > 0.9
    with pytest.raises(ValueError, match="regression"):
        ridge.probabilities(features)


def test_noise_aware_probe_uses_the_nearest_time(latents, task):
    features, _ = latents
    noisy = {
        t: DenseFeatures(t * features.values + 10 * (1 - t) * torch.randn(features.values.shape)) for t in (1.0, 0.5)
    }
    probe = train_probe(noisy, task, SOURCE)
    assert probe.info.times == (0.5, 1.0)
    assert torch.equal(probe.at(0.7).weights, probe.weights[0])
    assert torch.equal(probe.at(0.8).weights, probe.weights[1])
    test = task.rows("test")
    early = noisy[0.5].take(test)
    right, wrong = (probe.probabilities(early, t).argmax(1) == task.target[test] for t in (0.5, 1.0))
    assert right.mean() > wrong.mean() + 0.05


def test_save_and_load(tmp_path, latents, probe):
    path = save_probe(probe, tmp_path)
    assert path.name == "loudness.json"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["loudness.json", "loudness.safetensors"]
    again = load_probe(path)
    assert again.info == probe.info
    np.testing.assert_array_equal(again.probabilities(latents[0]), probe.probabilities(latents[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_id": "encodec"}, "model_id 'mini-codec' but was given 'encodec'"),
        ({"weights_sha256": "cd" * 32}, "weights_sha256"),
        ({"hook_point": "blocks.3"}, "hook_point 'latents' but was given 'blocks.3'"),
        ({"d_in": 64}, "d_in 8 but was given 64"),
    ],
)
def test_another_model_is_refused(probe, change, message):
    with pytest.raises(SourceError, match=message):
        probe.require(replace(SOURCE, **change), None)


def test_what_a_clean_probe_accepts(latents, probe):
    for point in ("latents", "x_t", "x1_hat"):
        probe.require(replace(SOURCE, hook_point=point), None)
    with pytest.raises(SourceError, match=r"raw tensors but was given those of the SAE abcabcabcabc"):
        probe.require(SOURCE, "abc" * 8)
    with pytest.raises(SourceError, match="reads 8 features but was given 5"):
        probe.probabilities(DenseFeatures(torch.zeros(1, 5)))


def test_damaged_files_are_named(tmp_path, probe):
    path = save_probe(probe, tmp_path)
    record = json.loads(path.read_text())
    faults = {
        "not JSON": "{",
        "not a probe": "{}",
        "probe format 2": json.dumps(record | {"version": 2}),
        "unusable": json.dumps({name: part for name, part in record.items() if name != "source"}),
        "do not fit": json.dumps(record | {"times": [0.5, 1.0]}),
        "not the weights": json.dumps(record | {"tensors_sha256": "0"}),
    }
    for message, text in faults.items():
        path.write_text(text)
        with pytest.raises(ProbeFileError, match=message):
            load_probe(path)
    path.write_text(json.dumps(record))
    path.with_suffix(".safetensors").unlink()
    with pytest.raises(ProbeFileError, match=r"safetensors: no such file"):
        load_probe(path)
    with pytest.raises(ProbeFileError, match="no such file"):
        load_probe(tmp_path / "other.json")


def test_no_labels_and_wrong_lengths_are_refused(latents, task):
    silent = replace(task, values=np.full_like(task.values, np.nan))
    with pytest.raises(ValueError, match="loudness: no labelled frames in the 'train' split"):
        train_probe(latents[0], silent, SOURCE)
    with pytest.raises(ValueError, match="frames but the task has"):
        train_probe(latents[0].take(np.arange(5)), task, SOURCE)


def test_f_ratios_match_scikit_learn(latents, task):
    rows = task.rows("train")
    part = latents[0].take(rows)
    np.testing.assert_allclose(
        f_ratios(part, task.target[rows], 6), f_classif(part.values.numpy(), task.target[rows])[0], rtol=1e-3
    )


def test_sae_codes_are_features(latents):
    """What an SAE returns goes straight into a probe's features."""
    sae = build(SAEConfig("random", d_in=8, d_sae=32, k=4))
    code = sae.encode_sparse(latents[0].values)
    features = SparseFeatures(*code, sae.config.d_sae)
    assert len(features.entries().value) == 4 * features.frames
    weights = torch.randn(32, 3)
    torch.testing.assert_close(features.matmul(weights), code.to_dense(32) @ weights)


def test_temperature_repairs_overconfidence():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)) * 2
    target = (logits + random.gumbel(size=logits.shape)).argmax(1)  # so that softmax(logits) is the truth
    assert fit_temperature(3 * logits, target) == pytest.approx(3, rel=0.1)
