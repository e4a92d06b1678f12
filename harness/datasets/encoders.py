"""Hidden layers of an audio encoder as vectors: all asked layers from one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from analysis.source import Source
from generators import encoders
from generators.codecs.audio import prepare_audio
from generators.encoders.base import AudioEncoder
from harness.datasets.audio import find_audio
from harness.datasets.collect import ClipCollector
from harness.datasets.format import Plan, Pool
from harness.datasets.sources import Sources, check_properties
from harness.errors import InputError


@dataclass(frozen=True)
class EncoderCollector(ClipCollector):
    """Runs an encoder over audio; the vectors of the layers stand side by side."""

    encoder_name: str
    layers: tuple[int, ...]
    plan: Plan

    @cached_property
    def _encoder(self) -> AudioEncoder:
        return encoders.load(self.encoder_name)

    @property
    def segment_frames(self) -> int:
        """The encoder's own."""
        return self._encoder.segment_frames

    def prepare(self, audio: torch.Tensor, sample_rate_hz: int) -> torch.Tensor:
        """Bring a stretch to the encoder's rate, mono."""
        return prepare_audio(audio[None], sample_rate_hz, to_hz=self._encoder.sample_rate_hz, channels=1)[0]

    def vectors(self, heard: torch.Tensor) -> np.ndarray:
        """Return ``[T, layers * D]``."""
        states = self._encoder.encode(heard, self._encoder.sample_rate_hz, self.layers)
        return states.transpose(0, 1).flatten(1).numpy()


def encoder_sources(
    paths: Sequence[Path],
    encoder_name: str,
    layers: Sequence[int],
    names: Sequence[str],
    *,
    pool: Pool = "frames",
    seed: int = 0,
) -> Sources:
    """Audio files and folders through the layers of an encoder.

    Raises ``InputError`` for unknown names and paths without audio, ``CheckpointError`` for what is no audio encoder,
    ``RequestError`` for a layer that it does not have.
    """
    check_properties(names)
    if not layers:
        raise InputError("say which layers to read, such as --layers 6,12")
    encoder = encoders.load(encoder_name)
    encoder.check_layers(layers)
    points = tuple(f"layers.{layer}" for layer in dict.fromkeys(layers))
    source = Source(encoder.id, encoder.weights_sha256, "+".join(points), encoder.width * len(points))
    plan = Plan(
        source,
        encoder.frame_rate_hz,
        encoder.sample_rate_hz,
        tuple(names),
        seed=seed,
        pool=pool,
        layers=points,
    )
    return Sources(find_audio(paths), EncoderCollector(encoder_name, tuple(dict.fromkeys(layers)), plan), plan)
