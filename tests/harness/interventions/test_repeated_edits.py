"""An edit D of ``x1_hat`` at every step: added up where it adds, D where it sets; on real pipelines, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from analysis.sae.base import build
from analysis.sae.config import SAEConfig
from generators.base import GenerationRequest
from generators.diffusers_audio.generator import DiffusersGenerator
from generators.testing import Recorder
from harness import pipeline as pipelines
from harness.decoding.artifacts import Artifacts, latent_source
from harness.interventions.add import Add
from harness.interventions.base import Intervention
from harness.interventions.bind import bind
from harness.interventions.patch import Patch
from tests.generators.diffusers_audio import tiny

REQUEST = GenerationRequest("a soft drone", duration_s=0.2, num_inference_steps=5, guidance_scale=3.0, seed=3)
D = 0.5


def audioldm2() -> DiffusionPipeline:
    """Its schedule ends without noise here, so that the last state is the last estimate."""
    return tiny.audioldm2(diffusers.DDIMScheduler(**{**tiny.DDIM, "set_alpha_to_one": True}))


PIPELINES: dict[str, Callable[[], DiffusionPipeline]] = {
    "stable-audio": tiny.stable_audio,
    "stable-audio-3": tiny.stable_audio_3,
    "longcat": tiny.longcat,
    "ace-step": tiny.ace_step,
    "audioldm2": audioldm2,
}


def channel_reader(generator: DiffusersGenerator) -> Artifacts:
    """An SAE whose features are the channels, so that feature 0 adds to channel 0."""
    channels = generator.codec.latent_channels
    sae = build(SAEConfig("standard", channels, channels, sparsity=0.0), latent_source(generator.codec))
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(channels))
        sae.W_dec.copy_(torch.eye(channels))
    return Artifacts(sae.requires_grad_(False), {}, {})


def moved(generator: DiffusersGenerator, interventions: list[Intervention], point: str, step: int) -> np.ndarray:
    """How far ``point`` of ``step`` moves, ``[T, C]``."""
    plain, edited = Recorder(point), Recorder(point)
    generator.generate(REQUEST, [plain])
    generator.generate(REQUEST, [*bind(interventions, generator, REQUEST, channel_reader(generator)), edited])
    return (edited.at(point, step) - plain.at(point, step))[0].numpy()


def on_channel_0(frames: int, channels: int, size: float) -> np.ndarray:
    return np.eye(1, channels, dtype=np.float32).repeat(frames, axis=0) * np.float32(size)


@pytest.mark.parametrize("name", ["stable-audio-3", "longcat", "audioldm2"])
def test_what_is_added_at_every_step_adds_up(name: str) -> None:
    """Exactly by the sum of what one step keeps, where the network answers nothing."""
    generator = DiffusersGenerator(PIPELINES[name](), name)
    for weight in generator.denoiser.parameters():
        weight.zero_()
    plan = generator.plan(REQUEST)
    # What the prediction leaves alone is the flow in one family, the noise in the other.
    noise = plan.sampler["sigma"]
    if plan.sampler["prediction"] == "epsilon":
        noise = [sigma / alpha for alpha, sigma in zip(plan.sampler["alpha"], noise, strict=True)]
    total = sum(1 - after / before for before, after in pairwise(noise))
    assert total > 1.5
    found = moved(generator, [Add(0, strength=D)], "x_t", 5)
    np.testing.assert_allclose(found, on_channel_0(*found.shape, D * total), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", PIPELINES)
def test_what_is_set_from_the_unsteered_run_does_not(name: str, tmp_path: Path) -> None:
    """The unsteered estimate put in place first, then D: every estimate is off by D, and so is the result."""
    generator = DiffusersGenerator(PIPELINES[name](), name)
    pipelines.run(generator, [REQUEST], tmp_path / "run", trace=True)
    relative = [Patch(str(tmp_path / "run" / "trace.h5"), at="x1_hat"), Add(0, strength=D)]
    for point, step in (("x1_hat", 3), ("x_t", 5)):
        found = moved(generator, relative, point, step)
        np.testing.assert_allclose(found, on_channel_0(*found.shape, D), rtol=1e-2, atol=2e-3)
