"""Hidden layers of a tiny encoder as data sets, and training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from analysis.sae.learner import TrainConfig
from generators import encoders
from generators.base import RequestError
from harness.datasets.build import build
from harness.datasets.encoders import encoder_sources
from harness.datasets.labels import read_labels
from harness.datasets.reader import open_dataset
from harness.errors import InputError
from harness.fitting.probes import fit_probes, frames_of
from harness.fitting.saes import grid, load_sae, train_saes
from tests.generators.encoders.tiny import MAKERS
from tests.harness.datasets.audio_files import tone

RATE_HZ = 22050


@pytest.fixture(scope="module")
def hubert(tmp_path_factory) -> Path:
    return MAKERS["hubert"](tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """30 tones in three folders, high, middle and low; a click of 10 ms and a silence among them."""
    home, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    for index in range(30):
        folder = home / ("low", "middle", "high")[index % 3]
        folder.mkdir(exist_ok=True)
        level = np.repeat(10 ** rng.uniform(-1.5, 0, 5), 1323).astype(np.float32)
        audio = level * tone((150, 400, 1000)[index % 3] * rng.uniform(0.9, 1.1), 6615, RATE_HZ)
        soundfile.write(folder / f"{index}.wav", audio, RATE_HZ)
    soundfile.write(home / "low" / "click.wav", tone(200, 220, RATE_HZ), RATE_HZ)
    soundfile.write(home / "low" / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    return home


@pytest.fixture(scope="module")
def built(hubert, corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "set.h5"
    sources = encoder_sources([corpus], str(hubert), [1, 3], ["loudness"])
    classes = read_labels("folders", [Path(unit.name) for unit in sources.units])
    return build(*sources, out, classes=classes)


def test_each_layer_gets_a_data_set_from_one_pass(built, hubert):
    assert [path.name for path in built.paths] == ["set.layers.1.h5", "set.layers.3.h5"]
    assert [entry.name.rpartition("/")[2] for entry in built.skipped] == ["silent.wav"]
    encoder = encoders.load(hubert)
    for path, layer in zip(built.paths, (1, 3), strict=True):
        with open_dataset(path) as data:
            assert data.source.hook_point == f"layers.{layer}"
            assert data.source.d_in == encoder.width
            assert data.source.weights_sha256 == encoder.weights_sha256
            assert data.frame_rate_hz == 50
            start = 0
            for file in data.files:
                audio, rate = soundfile.read(file.name, dtype="float32")
                expected = encoder.encode(torch.from_numpy(audio)[None], rate, [layer])[0]
                torch.testing.assert_close(torch.from_numpy(data.rows()[start : start + file.rows]), expected)
                start += file.rows
            assert min(file.rows for file in data.files) == 1  # the click
            assert set(data.class_of("class")) == {"low", "middle", "high"}
            assert len(data.class_of("class")) == start


def test_pooled_rows_are_means_over_frames_and_segments(built, hubert, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("generators.encoders.waveform.SEGMENT_S", 0.1)
    frames = build(*encoder_sources([corpus], str(hubert), [3], ["loudness"]), tmp_path / "frames.h5")
    means = build(*encoder_sources([corpus], str(hubert), [3], ["loudness"], pool="mean"), tmp_path / "means.h5")
    with open_dataset(frames.paths[0]) as every, open_dataset(means.paths[0]) as pooled:
        assert pooled.pool == "mean"
        assert [file.rows for file in pooled.files] == [1] * len(every.files)
        bounds = np.cumsum([file.rows for file in every.files])[:-1]
        for row, part in zip(pooled.rows()[:], np.split(every.rows()[:], bounds), strict=True):
            np.testing.assert_allclose(row, part.mean(0), atol=1e-5)
        for value, part in zip(pooled.labels("loudness"), np.split(every.labels("loudness"), bounds), strict=True):
            assert value == pytest.approx(np.nanmean(part), abs=1e-4)
    with open_dataset(built.paths[1]) as whole:
        assert whole.rows().shape[0] != sum(file.rows for file in every.files)  # many segments, a frame less in each


def test_saes_and_probes_work_on_layers(built, tmp_path):
    with open_dataset(built.paths[1]) as data:
        configs = grid(24, 0, {"architecture": ["topk"], "d_sae": [48], "k": [4]})
        (trained,) = train_saes(data, configs, tmp_path / "sae", TrainConfig(steps=5, batch_size=64))
        frames = frames_of(data)
        fitted = list(
            fit_probes(data, frames, ["class", "loudness"], tmp_path / "probes", sae=load_sae(trained.folder))
        )
        assert [one.probe.info.source.hook_point for one in fitted] == ["layers.3"] * 2
        score = fitted[0].controls
        assert fitted[0].probe.info.bins.count == 3
        assert {"raw", "random_dictionary"} <= set(score.beside)
        with pytest.raises(ValueError, match="unknown property 'singer'"):
            list(fit_probes(data, frames, ["singer"], tmp_path / "more"))


def test_layers_that_do_not_exist(hubert, corpus):
    with pytest.raises(RequestError, match="has layers 0 to 3"):
        encoder_sources([corpus], str(hubert), [1, 9], ["loudness"])
    with pytest.raises(InputError, match="--layers 6,12"):
        encoder_sources([corpus], str(hubert), [], ["loudness"])
