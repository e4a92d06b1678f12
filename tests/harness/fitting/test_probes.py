from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.probes import FitConfig, load_probe
from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from analysis.source import SourceError
from harness.datasets.reader import open_dataset
from harness.errors import InputError
from harness.fitting.probes import classes_of, encode, fit_probes, frames_of, noised, random_dictionary, task_of
from harness.fitting.saes import load_sae, train_saes

QUICK = FitConfig(max_iterations=30)


@pytest.fixture(scope="module")
def sae(dataset_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("sae")
    with open_dataset(dataset_path) as dataset:
        plan = TrainConfig(steps=100, batch_size=128, record_every=100)
        train_saes(dataset, [SAEConfig("topk", 16, 32, k=6)], out, plan)
    return load_sae(out)


@pytest.fixture
def dataset(dataset_path):
    with open_dataset(dataset_path) as opened:
        yield opened


def test_probes_read_what_is_there_and_controls_do_not(dataset, sae, tmp_path):
    """Labels that were cut loose from the features are not to be read, nor are the training shares an answer."""
    (fitted,) = fit_probes(dataset, frames_of(dataset), ["loudness"], tmp_path, sae=sae, config=QUICK)
    controls = fitted.controls
    assert controls.probe.off_by_1.low > controls.shuffled.off_by_1.value
    assert controls.probe.off_by_1.low > controls.majority.off_by_1.value
    assert set(controls.beside) == {"raw", "random_dictionary"}
    assert set(controls.best_k) == {1, 2, 5, 10}
    assert fitted.by_time[1.0].accuracy.value == controls.probe.accuracy.value
    assert fitted.ridge.r2.low > 0.2
    loaded = load_probe(tmp_path / "loudness.json")
    loaded.require(dataset.source, sae.sha256)
    assert torch.equal(loaded.weights, fitted.probe.weights)


def test_without_an_sae_the_vectors_are_read(dataset, tmp_path):
    (fitted,) = fit_probes(dataset, frames_of(dataset), ["loudness"], tmp_path, config=QUICK)
    assert fitted.controls.beside == {}
    assert fitted.probe.info.encoder_sha256 is None


def test_noise_hides_the_property(dataset, tmp_path):
    frames = noised(frames_of(dataset), (0.0, 0.9, 1.0))
    (fitted,) = fit_probes(dataset, frames, ["loudness"], tmp_path, config=QUICK)
    assert fitted.probe.info.source.hook_point == "x_t"
    assert fitted.probe.info.times == (0.0, 0.9, 1.0)
    start, _, end = (score.off_by_1 for score in fitted.by_time.values())
    assert start.high < end.low


def test_noised_states_are_what_the_sampler_starts_from(dataset):
    frames = frames_of(dataset)
    states = noised(frames, (0.0, 0.25, 1.0), seed=3).vectors
    assert torch.equal(states[1.0], frames.vectors[1.0])
    assert abs(float(states[0.0].std()) - 1) < 0.02
    assert not torch.equal(noised(frames, (0.0,), seed=4).vectors[0.0], states[0.0])
    with pytest.raises(InputError, match="noise is added to clean latents"):
        noised(noised(frames, (0.5,)), (0.5,))


def test_the_random_dictionary_has_the_size_of_the_sae(dataset, sae):
    control = random_dictionary(dataset, sae)
    assert (control.config.d_sae, control.config.k, control.source) == (32, 6, dataset.source)
    features = encode(control, torch.from_numpy(dataset.rows()[:]))
    assert features.entries().value.size <= 6 * features.frames


def test_an_sae_of_another_codec_is_refused(other_codec, sae, tmp_path):
    with open_dataset(other_codec) as other, pytest.raises(SourceError, match="weights_sha256"):
        list(fit_probes(other, frames_of(other), ["pitch"], tmp_path, sae=sae))
    assert list(tmp_path.glob("*.json")) == []


def test_properties_that_cannot_be_probed(dataset):
    with pytest.raises(InputError, match="chroma has 12 values a frame"):
        task_of(dataset, frames_of(dataset), "chroma")
    with pytest.raises(InputError, match="no labels of 'onset'"):
        task_of(dataset, frames_of(dataset), "onset")


def test_classes_are_fitted_on_the_training_files(dataset):
    task = task_of(dataset, frames_of(dataset), "loudness")
    values = dataset.labels("loudness")[dataset.split == "train"]
    np.testing.assert_allclose(task.bins.edges[0], np.quantile(values, 0.005), rtol=1e-5)


def test_classes_can_be_those_of_other_probes(dataset, tmp_path):
    list(fit_probes(dataset, frames_of(dataset), ["loudness"], tmp_path / "clean", config=QUICK))
    classes = classes_of(tmp_path / "clean")
    fewer = frames_of(dataset, every=7)
    assert task_of(dataset, fewer, "loudness").bins != classes["loudness"]
    states = noised(fewer, [0.5, 1.0])
    (aware,) = fit_probes(dataset, states, ["loudness"], tmp_path / "x_t", classes=classes, config=QUICK)
    assert aware.probe.info.bins == classes["loudness"]
    with pytest.raises(InputError, match="holds no probes"):
        classes_of(tmp_path)
