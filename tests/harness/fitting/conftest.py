from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.source import Source
from generators.codecs.closed_form import ClosedFormCodec
from harness.codecs import CodecSpec
from harness.datasets.build import build
from harness.datasets.collect import AudioCollector, Clip
from harness.datasets.format import Plan

RATE_HZ = 22050
NAMES = ("pitch", "loudness", "timbre")


class Tones:
    """A unit of clips of random pitch, each with a level that changes from frame to frame."""

    name = "tones"
    version = "1"

    def clips(self, segment_s):
        rng = np.random.default_rng(0)
        for index in range(60):
            frequency_hz = 220 * 2 ** rng.uniform(0, 1)
            amplitude = np.repeat(10 ** rng.uniform(-1.5, -0.3, 20), 1024)
            time_s = np.arange(20 * 1024) / RATE_HZ
            audio = amplitude * sum(np.sin(2 * np.pi * h * frequency_hz * time_s) / h for h in range(1, 6))
            yield Clip(f"tone {index}", f"{index}", f"{index}", None, RATE_HZ, 1, [audio[None].astype(np.float32)])


@pytest.fixture(scope="session")
def dataset_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 tones through the closed-form codec: 1200 rows of 16 channels."""
    codec = ClosedFormCodec()
    source = Source(codec.id, codec.weights_sha256, "latents", codec.latent_channels)
    plan = Plan(source, codec.frame_rate_hz, codec.sample_rate_hz, NAMES)
    out = tmp_path_factory.mktemp("data") / "tones.h5"
    build([Tones()], AudioCollector(CodecSpec("closed-form"), plan), plan, out)
    return out


@pytest.fixture
def other_codec(dataset_path: Path, tmp_path: Path) -> Path:
    """The same data set, said to be of a codec with other weights."""
    path = tmp_path / "other.h5"
    path.write_bytes(dataset_path.read_bytes())
    sha256 = ClosedFormCodec().weights_sha256
    with h5py.File(path, "r+") as file:
        file.attrs["plan"] = file.attrs["plan"].replace(sha256, "0" * 64)
    return path
