from __future__ import annotations

import errno
import json
import os

import h5py
import numpy as np
import pytest
import torch

from analysis.sae.base import SAEError, build
from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from analysis.sae.metrics import evaluate
from generators.codecs.closed_form import ClosedFormCodec
from harness.datasets.reader import open_dataset
from harness.errors import ExistsError, InputError, StorageError
from harness.fitting import saes
from harness.fitting.saes import CHECKPOINT, LOG, SUMMARY, grid, load_sae, train_saes
from harness.fitting.sound import sound_metrics

PLAN = TrainConfig(steps=30, batch_size=128, record_every=10)
ONE = [SAEConfig("topk", 16, 32, k=4)]


@pytest.fixture
def dataset(dataset_path):
    with open_dataset(dataset_path) as opened:
        yield opened


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(saes, "CHECKPOINT_EVERY", 10)


def steps(out):
    return [json.loads(line)["step"] for line in (out / LOG).read_text().splitlines()]


def test_one_sae_is_the_folder_itself(dataset, tmp_path):
    (trained,) = train_saes(dataset, ONE, tmp_path / "sae", PLAN)
    assert {path.name for path in (tmp_path / "sae").iterdir()} == {"cfg.json", "sae_weights.safetensors", LOG, SUMMARY}
    sae = load_sae(tmp_path / "sae")
    assert sae.source == dataset.source
    assert trained.measured_on == "test"
    assert trained.held_out.fvu == evaluate(sae, dataset.rows("test")).fvu
    assert trained.train.dead == evaluate(sae, dataset.rows("train")).dead
    assert steps(tmp_path / "sae") == [10, 20, 30]
    summary = json.loads((tmp_path / "sae" / SUMMARY).read_text())
    assert summary["saes"] == [trained.to_json()]


def test_a_grid_has_a_folder_each_and_equals_training_alone(dataset, tmp_path):
    settings = {"architecture": ["topk", "random"], "d_sae": [16, 32], "k": [4], "sparsity": [None]}
    trained = train_saes(dataset, grid(16, 0, settings), tmp_path / "grid", PLAN)
    names = ["topk-16-k4", "topk-32-k4", "random-16-k4", "random-32-k4"]
    assert [one.folder.name for one in trained] == names
    train_saes(dataset, ONE, tmp_path / "alone", PLAN)
    alone, beside = (load_sae(tmp_path / name).state_dict() for name in ("alone", "grid/topk-32-k4"))
    assert all(torch.equal(alone[name], beside[name]) for name in alone)
    with pytest.raises(InputError, match=r"give one of those in it: random-16-k4, random-32-k4, topk-16-k4"):
        load_sae(tmp_path / "grid")


def test_a_supervised_sae_is_an_ordinary_one_that_says_so(dataset, tmp_path):
    told, plain = tmp_path / "told", tmp_path / "plain"
    (trained,) = train_saes(dataset, ONE, told, PLAN, supervise={"loudness": 8.0})
    train_saes(dataset, ONE, plain, PLAN)
    sae = load_sae(told)
    assert (sae.config, sae.source) == (ONE[0], dataset.source)
    assert trained.held_out.fvu == evaluate(sae, dataset.rows("test")).fvu
    for folder, supervision in ((told, {"loudness": 8.0}), (plain, {})):
        facts = json.loads((folder / "cfg.json").read_text())["metadata"]["audio_diffusion_harness"]
        assert facts["training"]["supervision"] == supervision
        assert json.loads((folder / SUMMARY).read_text())["supervision"] == supervision
    assert sae.sha256 != load_sae(plain).sha256


def test_what_cannot_supervise_is_refused_before_anything_is_written(dataset_path, tmp_path):
    path = tmp_path / "gaps.h5"
    path.write_bytes(dataset_path.read_bytes())
    with h5py.File(path, "r+") as file:
        file["labels"]["pitch"][3] = np.nan
    with open_dataset(path) as dataset:
        with pytest.raises(SAEError, match="pitch has no value in 1 of"):
            train_saes(dataset, ONE, tmp_path / "a", PLAN, supervise={"pitch": 1.0})
        with pytest.raises(InputError, match="no labels of 'chroma'; it has"):
            train_saes(dataset, ONE, tmp_path / "a", PLAN, supervise={"chroma": 1.0})
    assert not (tmp_path / "a").exists()


def test_only_the_training_files_are_trained_on(dataset, tmp_path, monkeypatch):
    seen = []
    real = saes.Trainer
    monkeypatch.setattr(saes, "Trainer", lambda data, *args: seen.append(data) or real(data, *args))
    train_saes(dataset, ONE, tmp_path / "sae", PLAN)
    np.testing.assert_array_equal(seen[0][:], dataset.rows()[:][dataset.split == "train"])


class Stop(Exception):
    pass


def stop(record):
    if record.step == 20:
        raise Stop


def test_an_interrupted_training_ends_as_an_uninterrupted_one(dataset, tmp_path, often):
    with pytest.raises(Stop):
        train_saes(dataset, ONE, tmp_path / "a", PLAN, progress=stop)
    assert (tmp_path / "a" / CHECKPOINT).exists()
    train_saes(dataset, ONE, tmp_path / "a", PLAN)
    train_saes(dataset, ONE, tmp_path / "b", PLAN)
    assert load_sae(tmp_path / "a").sha256 == load_sae(tmp_path / "b").sha256
    assert (tmp_path / "a" / LOG).read_bytes() == (tmp_path / "b" / LOG).read_bytes()
    assert not (tmp_path / "a" / CHECKPOINT).exists()


def test_other_settings_do_not_continue_it(dataset, tmp_path, often):
    with pytest.raises(Stop):
        train_saes(dataset, ONE, tmp_path / "a", PLAN, progress=stop)
    with pytest.raises(SAEError, match="was written with saes"):
        train_saes(dataset, [SAEConfig("topk", 16, 64, k=4)], tmp_path / "a", PLAN)
    train_saes(dataset, [SAEConfig("topk", 16, 64, k=4)], tmp_path / "a", PLAN, force=True)
    assert load_sae(tmp_path / "a").config.d_sae == 64


def test_a_training_is_not_continued_on_another_codecs_data(dataset, other_codec, tmp_path, often):
    with pytest.raises(Stop):
        train_saes(dataset, ONE, tmp_path / "a", PLAN, progress=stop)
    with open_dataset(other_codec) as other, pytest.raises(SAEError, match="was written with source"):
        train_saes(other, ONE, tmp_path / "a", PLAN)


def test_a_finished_folder_is_not_overwritten(dataset, tmp_path):
    train_saes(dataset, ONE, tmp_path / "a", PLAN)
    with pytest.raises(ExistsError, match="--force"):
        train_saes(dataset, ONE, tmp_path / "a", PLAN)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        train_saes(dataset, ONE, tmp_path / "file", PLAN)


def test_a_full_disk_ends_the_training_with_one_message(dataset, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("analysis.sae.checkpoint.replace_file", full)
    with pytest.raises(StorageError, match="No space left"):
        train_saes(dataset, ONE, tmp_path / "a", PLAN)


def test_reconstructions_are_compared_as_sound(dataset, tmp_path):
    codec = ClosedFormCodec()
    configs = grid(16, 0, {"architecture": ["topk"], "d_sae": [64], "k": [1, 16]})
    plan = TrainConfig(steps=150, batch_size=256)
    rough, fine = (one.sound for one in train_saes(dataset, configs, tmp_path / "a", plan, codec=codec, clips=3))
    assert rough.clips == fine.clips == 3
    assert 0 < fine.log_mel_db < rough.log_mel_db
    assert fine.loudness_db < rough.loudness_db


def test_exact_reconstructions_sound_the_same(dataset):
    identity = build(SAEConfig("topk", 16, 32, k=32), dataset.source).requires_grad_(False)
    eye = torch.eye(16)
    identity.load_state_dict(
        {
            "W_enc": torch.cat([eye, -eye], 1),
            "W_dec": torch.cat([eye, -eye]),
            "b_enc": torch.zeros(32),
            "b_dec": torch.zeros(16),
        }
    )
    sound = sound_metrics(identity, dataset, ClosedFormCodec(), "test", 2)
    assert (sound.log_mel_db, sound.pitch_semitones, sound.loudness_db, sound.timbre_octaves) == (0, 0, 0, 0)


def test_sound_needs_the_data_sets_own_codec(other_codec, tmp_path):
    with open_dataset(other_codec) as other, pytest.raises(InputError, match="does not hold clean latents"):
        train_saes(other, ONE, tmp_path / "a", PLAN, codec=ClosedFormCodec())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": ["topk"], "d_sae": [16], "k": [17]}, "k must lie in"),
        ({"architecture": ["topk"], "d_sae": [16], "k": [None]}, "topk needs k"),
        ({"architecture": ["tpok"], "d_sae": [16], "k": [4]}, "unknown SAE architecture 'tpok'"),
        ({"architecture": ["standard"], "d_sae": [16], "k": [4]}, "standard needs sparsity"),
    ],
)
def test_impossible_grids_are_refused_before_anything_is_written(settings, message):
    with pytest.raises(SAEError, match=message):
        grid(16, 0, settings)
