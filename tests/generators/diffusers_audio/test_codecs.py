"""The codecs of pipelines keep the codecs' contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from generators.base import CheckpointError
from generators.codecs.base import Codec
from generators.diffusers_audio.codecs import codec_of
from generators.diffusers_audio.generator import DiffusersGenerator
from generators.diffusers_audio.load import load_codec
from generators.testing import CodecTests
from tests.generators.diffusers_audio.tiny import generator


class TestOobleck(CodecTests):
    def codec(self) -> Codec:
        return generator("stable-audio").codec


class TestSame(CodecTests):
    def codec(self) -> Codec:
        return generator("stable-audio-3").codec


class TestLongCat(CodecTests):
    def codec(self) -> Codec:
        return generator("longcat").codec


class TestMel(CodecTests):
    def codec(self) -> Codec:
        return generator("audioldm2").codec


def test_a_codec_is_loaded_without_its_network(folder: Path, tiny: Callable[[str], DiffusersGenerator]) -> None:
    codec = load_codec(str(folder))
    assert codec.weights_sha256 == tiny("stable-audio").codec.weights_sha256
    assert codec.id == "diffusers:AutoencoderOobleck"


def test_parts_that_make_no_codec() -> None:
    with pytest.raises(CheckpointError, match="no audio can be decoded"):
        codec_of({"vae": torch.nn.Linear(1, 1), "vocoder": None}, "somewhere")
