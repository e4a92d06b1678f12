"""Setting properties: on ``mini`` with what ships for it, and where no moves were fitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis import properties
from generators.base import GenerationRequest, HookPoint
from generators.codecs.base import Codec
from generators.mini.generator import MiniGenerator
from harness.decoding.artifacts import latent_source, require_shipped
from harness.errors import InputError
from harness.interventions.base import Moment
from harness.interventions.bind import bind
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.interventions.site import Site
from harness.interventions.steer import steer


@pytest.fixture(scope="module")
def mini() -> MiniGenerator:
    return MiniGenerator.from_pretrained()


@pytest.fixture(scope="module")
def mini_artifacts(mini):
    return require_shipped(latent_source(mini.codec))


REQUEST = GenerationRequest("a bright flute A4", num_inference_steps=10, duration_s=1.5, seed=3)


@pytest.fixture(scope="module")
def plain(mini):
    return mini.generate(REQUEST)


def medians(codec: Codec, generation) -> dict[str, float]:
    """Median over frames that have the property."""
    frames = len(generation.latents)
    found = {}
    for name in ("pitch", "loudness", "timbre"):
        track = properties.load(name).measure(generation.audio, codec.sample_rate_hz, codec.frame_rate_hz, frames)
        found[name] = float(np.nanmedian(track.masked()))
    return found


@pytest.mark.parametrize(("name", "change"), [("pitch", 3.0), ("pitch", -4.0), ("loudness", -6.0), ("timbre", 0.4)])
def test_the_sound_changes_as_asked_and_not_otherwise(mini, mini_artifacts, plain, name, change):
    with steer(mini, [SetProperty(name, change)], mini_artifacts) as steered:
        after = medians(mini.codec, steered.generate(REQUEST))
    before = medians(mini.codec, plain)
    expected = {"pitch": 0.0, "loudness": 0.0, "timbre": 0.0, name: change}
    moved = {key: after[key] - before[key] for key in before}
    assert moved["pitch"] == pytest.approx(expected["pitch"], abs=0.5)
    assert moved["loudness"] == pytest.approx(expected["loudness"], abs=1.0)
    assert moved["timbre"] == pytest.approx(expected["timbre"], abs=0.25)


def test_repeating_the_edit_does_not_add_up(mini, mini_artifacts):
    """The first edit brings the state there; those after it have little left to do."""
    (bound,) = bind([SetProperty("pitch", 3.0)], mini, REQUEST, mini_artifacts)
    mini.generate(REQUEST, [bound])
    sizes = [float(size) for _, size in sorted(bound.record.items())]
    assert len(sizes) == 3
    assert max(sizes[1:]) < 0.2 * sizes[0]


def test_an_estimate_that_shows_the_target_is_left_alone(mini, mini_artifacts, plain):
    site = Site(mini, mini.plan(REQUEST), 1, mini_artifacts)
    z = plain.latents[None]
    late = Moment(HookPoint("x1_hat", 9, 0.9), 1.0)
    moved = SetProperty("pitch", 3.0).prepare(site)(z, late)
    again = SetProperty("pitch", 0.0).prepare(site)(moved, late)
    torch.testing.assert_close(again, moved, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("wanted", "phrase"),
    [
        ({"change": 0.5}, "moved in steps of 1"),
        ({"change": -37.0}, "at most 36 either way"),
        ({"to": 88.0}, "give 48 to 84"),
    ],
)
def test_only_whole_semitones_and_what_probe_and_moves_know(mini, mini_artifacts, wanted, phrase):
    with pytest.raises(InputError, match=phrase):
        bind([SetProperty("pitch", **wanted)], mini, REQUEST, mini_artifacts)


def test_changes_are_rounded_to_the_next_cent(mini, mini_artifacts):
    assert bind([SetProperty("pitch", 3 * 0.667), SetProperty("pitch", to=84.4)], mini, REQUEST, mini_artifacts)


def test_without_moves_the_probe_is_followed(generator, artifacts, request_):
    site = Site(generator, generator.plan(request_), 1, artifacts)
    probe, sae = artifacts.probes["pitch"], artifacts.sae
    z = generator.denoiser.latents[:20, : site.plan.frames]
    edit = SetProperty("pitch", to=64.0).prepare(site)
    first, moment = edit(z, Moment(HookPoint("x1_hat", 7, 0.875), 1.0)), Moment(HookPoint("x1_hat", 7, 0.875), 1.0)
    logits = sae.encode(edit(first, moment)) @ probe.weights[0] + probe.bias[0]
    reached = logits.argmax(-1) == int(probe.info.bins.index(64.0))
    assert float(reached.float().mean()) > 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite(generator, artifacts, request_, dtype):
    kinds = [SetProperty("pitch", 2.0, schedule=Schedule()), Scale((1, 2), 5.0, keep_norm=True)]
    for bound in bind(kinds, generator, request_, artifacts):
        for value in (torch.zeros(1, 5, 16, dtype=dtype), 1000 * torch.randn(1, 5, 16).to(dtype)):
            value = value[:, :, : generator.codec.latent_channels]
            edited = bound(HookPoint("x1_hat", 2, 0.25), value)
            assert edited is not None
            assert edited.dtype == dtype
            assert torch.isfinite(edited).all()
