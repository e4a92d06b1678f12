"""What the panels on guidance, features and the trajectory show, against numbers known otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from harness.datasets.build import build
from harness.datasets.reader import open_dataset
from harness.datasets.sources import audio_sources
from harness.decoding.artifacts import read_artifacts
from harness.decoding.decode import decode
from harness.decoding.storage import store
from harness.errors import InputError
from harness.report import context
from harness.report.certainty import Certainty
from harness.report.examples import from_dataset, from_sound
from harness.report.features import FeatureMaps
from harness.report.guidance import BranchReadings, Push
from harness.report.latents import Norms, degrees
from harness.report.page import build_report
from harness.report.panels import features, guidance
from harness.report.path import LatentPath
from harness.store.reader import open_trace


@pytest.fixture
def artifacts(fitted):
    return read_artifacts(fitted.source, fitted.probes, fitted.sae)


@pytest.fixture
def decoded_trace(make_trace, artifacts):
    trace = make_trace("A4 loud", steps=6, duration_s=1.0, scale=1.5)
    store(trace, decode(trace, artifacts))
    with open_trace(trace.path) as opened:
        yield opened


@pytest.fixture
def gathered(decoded_trace, generator, artifacts):
    return context.gather(decoded_trace, generator.codec, 3, artifacts)


def test_guidance_adds_its_scale_times_the_branches_difference(decoded_trace):
    push = Push.of(decoded_trace)
    step = int(push.share.argmax())  # later the branches of the closed form differ by rounding only
    cond, uncond = (decoded_trace.velocity_of(branch)[step].astype(np.float64) for branch in ("cond", "uncond"))
    assert push.share[step] == pytest.approx(1.5 * np.linalg.norm(cond - uncond) / np.linalg.norm(cond), rel=1e-3)
    assert push.angle[step] == pytest.approx(degrees(cond, uncond))


def test_branches_are_read_like_the_decode(decoded_trace, gathered, artifacts):
    readings = BranchReadings.of(decoded_trace, gathered.decoded, artifacts)
    certain = Certainty.of(gathered.decoded).mean("x1_hat", "pitch")
    assert readings.probability["pitch"]["guided"] == pytest.approx(certain, abs=1e-3)
    assert readings.gain("pitch") == pytest.approx(certain - readings.probability["pitch"]["cond"], abs=1e-3)
    figures = guidance.panel(gathered).figures
    assert set(figures) == {"guidance-readings", "guidance-push"}
    drawn = {line.name: line for line in figures["guidance-readings"].figure().data[:3]}
    assert drawn["guided"].y == pytest.approx(certain, abs=1e-3)


def test_no_guidance_panel_without_two_branches(make_trace, generator):
    assert guidance.panel(context.gather(make_trace(steps=2), generator.codec, 2)) is None


def test_feature_maps_hold_what_the_sae_gives(decoded_trace, gathered, artifacts):
    maps = FeatureMaps.of(decoded_trace, gathered.decoded, artifacts)
    use = maps.uses[0]
    with torch.no_grad():
        code = artifacts.sae.encode(torch.from_numpy(decoded_trace.x1_hat(4)))
    assert use.activation[4] == pytest.approx(code[:, use.top.feature].numpy(), abs=1e-5)
    assert use.weights.mean() == pytest.approx(0, abs=1e-5)
    assert len(use.classes) == len(use.weights)


def test_first_and_settled_step_of_a_feature(decoded_trace, gathered, artifacts):
    use = FeatureMaps.of(decoded_trace, gathered.decoded, artifacts).uses[0]
    strengths = np.array([0, 0.1, 2, 0.5, 1, 2], np.float32)
    made = replace(use, activation=strengths[:, None] * np.ones((1, 4), np.float32), final=np.full(4, 2, np.float32))
    assert (made.first, made.settled) == (1, 4)
    silent = replace(use, activation=np.zeros((6, 4), np.float32), final=np.zeros(4, np.float32))
    assert (silent.first, silent.settled) == (None, None)


def test_features_panel_has_a_row_and_a_view_a_feature_with_sounds(gathered, read_page, generator, artifacts, tmp_path):
    panel = features.panel(gathered)
    uses = sum(len(part.top) for part in gathered.decoded.properties.values())
    assert len(panel.figures["feature-maps"].views) == uses
    page = read_page(build_report(gathered.trace, generator.codec, tmp_path / "r.html", artifacts=artifacts).path)
    table = page.one("section", id="features").all("div", class_="searchable")[0]
    rows = table.all("tbody")[0].all("tr")
    assert len(rows) == uses
    assert all(row.all("audio") for row in rows)


def test_another_sae_than_the_one_that_decoded_is_not_used(decoded_trace, generator, fitted):
    raw = read_artifacts(fitted.source, fitted.raw)
    gathered = context.gather(decoded_trace, generator.codec, 2, raw)
    assert gathered.artifacts is None
    assert set(features.panel(gathered).figures) == {"decoded-features"}


def test_example_is_cut_where_the_feature_is_strongest():
    audio = np.arange(4000, dtype=np.float32)[None]
    active = np.zeros(40, np.float32)
    active[22] = 1
    example = from_sound(audio, 1000, active, 10.0)
    assert example.audio.shape == (1, 1000)
    assert 1300 <= example.audio[0, 0] <= 2200
    assert from_sound(audio, 1000, np.zeros(40, np.float32), 10.0) is None


@pytest.fixture
def dataset(generator, tmp_path):
    """Clean latents of three sounds of the closed-form generator's set."""
    codec = generator.codec
    (tmp_path / "sounds").mkdir()
    for index, audio in enumerate(codec.decode(generator.denoiser.latents[:3, :24]).numpy()):
        soundfile.write(tmp_path / "sounds" / f"{index}.wav", audio.T, codec.sample_rate_hz, subtype="FLOAT")
    build(*audio_sources([tmp_path / "sounds"], "closed-form", ("loudness",)), tmp_path / "latents.h5")
    with open_dataset(tmp_path / "latents.h5") as opened:
        yield opened


def test_data_set_gives_density_and_the_sound_a_feature_is_strongest_in(dataset, generator, artifacts):
    codec, rows = generator.codec, dataset.rows()[:]
    with torch.no_grad():
        code = artifacts.sae.encode(torch.from_numpy(rows)).numpy()
    used = int(code.max(axis=0).argmax())
    never = int((code == 0).all(axis=0).argmax())
    found = from_dataset(dataset, artifacts, codec, np.array([used, never]))
    assert [each.density for each in found] == pytest.approx([(code[:, used] > 0).mean(), 0])
    assert found[1].example is None
    file = int(np.searchsorted(np.cumsum([f.rows for f in dataset.files]), code[:, used].argmax(), side="right"))
    assert found[0].example.name == dataset.files[file].name
    seconds = found[0].example.audio.shape[1] / codec.sample_rate_hz
    assert seconds == pytest.approx(min(1, dataset.files[file].rows / codec.frame_rate_hz), abs=0.1)


def test_a_data_set_of_another_codec_is_refused(dataset, generator, artifacts):
    dataset.source = replace(dataset.source, model_id="other")
    with pytest.raises(InputError, match=r"holds latents of 'other'.*give clean latents of 'closed-form'"):
        from_dataset(dataset, artifacts, generator.codec, np.array([0]))


def test_data_set_is_shown_in_the_table(decoded_trace, generator, artifacts, dataset):
    gathered = context.gather(decoded_trace, generator.codec, 2, artifacts, dataset)
    shown = features.panel(gathered).pieces[0]
    assert "active in the data set" in shown
    assert ".wav" in shown


def test_path_of_three_states_keeps_their_distances(make_trace):
    trace = make_trace(steps=2)
    path = LatentPath.of(trace)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        true = np.linalg.norm(trace.x_t[a].astype(np.float64) - trace.x_t[b])
        assert np.linalg.norm(path.x_t[a] - path.x_t[b]) == pytest.approx(true, rel=1e-3)
    assert path.x1_hat[2] == pytest.approx(path.x_t[2], abs=1e-3)
    assert path.explained.sum() == pytest.approx(1)


def test_path_needs_three_states(make_trace):
    assert LatentPath.of(make_trace(steps=4, stop_at=1)) is None


def test_turns_are_angles(make_trace):
    trace = make_trace(steps=4)
    assert Norms.of(trace).velocity_turn[1] == pytest.approx(degrees(trace.velocity[1], trace.velocity[2]))
    assert degrees(np.array([1.0, 0]), np.array([1.0, 1])) == pytest.approx(45)
    assert degrees(np.zeros(2), np.ones(2)) == 0
