"""From audio to latents and the properties of what the codec heard, a stretch of bounded length at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from analysis import properties
from analysis.probes.splits import split_of
from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from harness.datasets.build import Unit
from harness.datasets.format import FileRecord, Part, Plan
from harness.errors import InputError
from harness.models import load_codec

SEGMENT_FRAMES = 1280
"""Latent frames encoded at once (a minute of ``mini``): longer inputs are cut, so that memory stays bounded."""
SILENCE = 1e-4
"""An input whose samples all stay below this (-80 dB) has nothing to teach and is left out."""


@dataclass(frozen=True)
class Clip:
    """One audio input."""

    name: str
    sha256: str
    group: str
    """What is never split."""
    split: str | None
    """Where it goes whatever its group; None lets the group's digest decide."""
    sample_rate_hz: int
    channels: int
    segments: Iterable[np.ndarray]
    """float32 ``[channels, N]``, one after the other; all but the last as long as was asked for."""


class AudioUnit(Unit, Protocol):
    """A unit that is audio."""

    def clips(self, segment_s: float) -> Iterator[Clip]:
        """Read the unit's clips, cut into segments of ``segment_s`` seconds. Raises ``ValueError``."""


@dataclass(frozen=True)
class AudioCollector:
    """Encodes audio and measures properties, on the audio as the codec takes it: its rate, its channels."""

    codec_name: str
    plan: Plan

    def collect(self, unit: AudioUnit) -> list[Part]:
        """Return one part a clip. Raises ``ValueError`` for audio that is silent, damaged or not finite."""
        return [self._part(clip) for clip in unit.clips(SEGMENT_FRAMES / self.plan.frame_rate_hz)]

    @cached_property
    def _codec(self) -> Codec:
        return load_codec(self.codec_name)

    @torch.inference_mode()
    def _part(self, clip: Clip) -> Part:
        codec, samples, peak = self._codec, 0, 0.0
        vectors, labels = [], []
        for audio in clip.segments:
            samples += audio.shape[1]
            heard = prepare_audio(
                torch.from_numpy(audio)[None], clip.sample_rate_hz, to_hz=codec.sample_rate_hz, channels=codec.channels
            )[..., : SEGMENT_FRAMES * codec.hop_samples]
            peak = max(peak, float(heard.abs().max()))
            latents = codec.encode(heard, codec.sample_rate_hz)[0].numpy()
            vectors.append(latents)
            labels.append(measure(heard[0].numpy(), self.plan, len(latents)))
        if peak < SILENCE:
            raise InputError("it is silent (no sample above -80 dB)" if samples else "it holds no samples")
        joined = np.concatenate(vectors)
        return Part(
            file=FileRecord(
                name=clip.name,
                sha256=clip.sha256,
                group=clip.group,
                split=clip.split or split_of(clip.group, self.plan.shares, self.plan.seed),
                sample_rate_hz=clip.sample_rate_hz,
                channels=clip.channels,
                samples=samples,
                rows=len(joined),
            ),
            vectors=joined,
            t=np.ones(len(joined), np.float32),
            labels={name: np.concatenate([part[name] for part in labels]) for name in self.plan.properties},
        )


def measure(audio: np.ndarray, plan: Plan, frames: int) -> dict[str, np.ndarray]:
    """Measure the plan's properties of ``[channels, N]``: ``[frames]`` or ``[frames, D]``, NaN where not valid."""
    rates = (plan.sample_rate_hz, plan.frame_rate_hz)
    return {name: properties.load(name).measure(audio, *rates, frames).masked() for name in plan.properties}
