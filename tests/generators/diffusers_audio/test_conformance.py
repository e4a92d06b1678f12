"""The published suite on a tiny random instance of every pipeline that runs."""

from __future__ import annotations

import pytest

from generators.base import GenerationRequest
from generators.diffusers_audio.generator import DiffusersGenerator
from generators.testing import GeneratorTests
from tests.generators.diffusers_audio.tiny import generator


class Pipelines(GeneratorTests):
    name = ""
    guidance = 3.0

    def generator(self) -> DiffusersGenerator:
        return generator(self.name)

    def request(self) -> GenerationRequest:
        return GenerationRequest(
            "a soft drone", duration_s=0.2, num_inference_steps=2, guidance_scale=self.guidance, seed=3
        )


class TestStableAudio(Pipelines):
    name = "stable-audio"


class TestStableAudioSde(Pipelines):
    name = "stable-audio-sde"


class TestStableAudio3(Pipelines):
    name = "stable-audio-3"


class TestAceStep(Pipelines):
    name = "ace-step"


class TestLongCat(Pipelines):
    name = "longcat"


class TestAudioLdm2(Pipelines):
    name = "audioldm2"


@pytest.mark.slow
class TestAudioLdm(Pipelines):
    name = "audioldm"


@pytest.mark.slow
class TestMusicLdm(Pipelines):
    name = "musicldm"
