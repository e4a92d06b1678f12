"""The shipped generator and codec: the published conformance suites, and what only ``mini`` promises."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from generators.base import CheckpointError, GenerationRequest, Generator
from generators.codecs.base import Codec
from generators.mini.codec import MiniCodec
from generators.mini.generator import MiniGenerator, rescaled_guidance
from generators.testing import CodecTests, GeneratorTests


@functools.cache
def shipped() -> MiniGenerator:
    return MiniGenerator.from_pretrained()


class TestMini(GeneratorTests):
    def generator(self) -> Generator:
        return shipped()

    def request(self) -> GenerationRequest:
        return GenerationRequest("A4 then C5 on a flute", duration_s=0.5, num_inference_steps=4)


class TestMiniCodec(CodecTests):
    # Phase reconstruction iterates, so rounding grows.
    batch_tolerance = 0.02

    def codec(self) -> Codec:
        return shipped().codec


def test_unknown_words_are_told() -> None:
    request = GenerationRequest("zorbly flute", duration_s=0.2, num_inference_steps=2)
    assert shipped().generate(request).notes == ("not understood and ignored: 'zorbly'",)


def test_codec_keeps_pitch_and_level() -> None:
    rate_hz, hz = 22050, 440.0
    time_s = torch.arange(rate_hz) / rate_hz
    audio = sum(0.3 / k * torch.sin(2 * math.pi * k * hz * time_s) for k in (1, 2, 3))
    codec = MiniCodec.from_pretrained()
    decoded = codec.decode(codec.encode(audio[None, None], rate_hz))[0, 0, :rate_hz]
    middle = decoded[6000:16000]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), 2**18).abs()
    found_hz = spectrum.argmax().item() * rate_hz / 2**18
    assert abs(1200 * math.log2(found_hz / hz)) < 50
    level_db = 20 * math.log10(middle.square().mean().sqrt() / audio[6000:16000].square().mean().sqrt())
    assert abs(level_db) < 2


def test_prompted_pitch_is_what_sounds() -> None:
    generation = shipped().generate(GenerationRequest("A4 on a loud clarinet", duration_s=2.0, num_inference_steps=16))
    spectrum = np.abs(np.fft.rfft(generation.audio[0] * np.hanning(generation.audio.shape[1])))
    freqs_hz = np.fft.rfftfreq(generation.audio.shape[1], 1 / generation.sample_rate_hz)
    # Total energy at the harmonics of each candidate; octaves and fifths are told apart by the fundamental.
    band = (freqs_hz > 200) & (freqs_hz < 900)
    strongest_hz = freqs_hz[band][spectrum[band].argmax()]
    assert abs(1200 * math.log2(strongest_hz / 440.0)) < 50


def test_guidance_keeps_the_deviation_of_the_conditional_estimate() -> None:
    x, cond, uncond = torch.randn(3, 2, 10, 4, generator=torch.Generator().manual_seed(0))
    t = 0.25
    guided = x + (1 - t) * rescaled_guidance(3.0)(x, t, cond, uncond)
    estimate = x + (1 - t) * cond
    assert torch.allclose(guided.std((1, 2)), estimate.std((1, 2)), atol=1e-5)
    assert torch.allclose(rescaled_guidance(0.0)(x, t, cond, uncond), cond, atol=1e-5)


@pytest.mark.parametrize("fault", ["missing", "truncated", "foreign"])
def test_a_faulty_folder_names_the_file(tmp_path: Path, fault: str) -> None:
    shipped().save_pretrained(tmp_path)
    weights = tmp_path / "flow.safetensors"
    if fault == "missing":
        weights.unlink()
    elif fault == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.write_bytes((tmp_path / "codec.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"flow\.safetensors"):
        MiniGenerator.from_pretrained(tmp_path)
