"""From audio to vectors and the properties of what the model heard, a stretch of bounded length at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from analysis import properties
from analysis.probes.splits import split_of
from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from harness.codecs import CodecSpec
from harness.datasets.build import Unit
from harness.datasets.format import FileRecord, Part, Plan, Pool
from harness.errors import InputError

SEGMENT_FRAMES = 1280
"""Latent frames encoded at once (a minute of ``mini``): longer inputs are cut, so that memory stays bounded."""
SILENCE = 1e-4
"""An input whose samples all stay below this (-80 dB) has nothing to teach and is left out."""
VECTORS, _COUNT = "vectors", "count of "


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


class ClipCollector(ABC):
    """Turns audio into vectors and measures properties on the same stretch, as the model takes it: rate, channels."""

    plan: Plan

    @property
    @abstractmethod
    def segment_frames(self) -> int:
        """Frames of the longest stretch that goes in at once."""

    @abstractmethod
    def prepare(self, audio: torch.Tensor, sample_rate_hz: int) -> torch.Tensor:
        """Bring one stretch ``[channels, N]`` to what the model takes, not longer than a segment."""

    @abstractmethod
    def vectors(self, heard: torch.Tensor) -> np.ndarray:
        """Turn what ``prepare`` gave into vectors ``[T, d]``."""

    def collect(self, unit: AudioUnit) -> list[Part]:
        """Return one part a clip. Raises ``ValueError`` for audio that is silent, damaged or not finite."""
        return [self._part(clip) for clip in unit.clips(self.segment_frames / self.plan.frame_rate_hz)]

    @torch.inference_mode()
    def _part(self, clip: Clip) -> Part:
        samples, peak, rows = 0, 0.0, _Rows(self.plan.pool)
        for audio in clip.segments:
            samples += audio.shape[1]
            heard = self.prepare(torch.from_numpy(audio), clip.sample_rate_hz)
            peak = max(peak, float(heard.abs().max()))
            vectors = self.vectors(heard)
            rows.add(vectors, measure(heard.numpy(), self.plan, len(vectors)))
        if peak < SILENCE:
            raise InputError("it is silent (no sample above -80 dB)" if samples else "it holds no samples")
        vectors, labels = rows.joined()
        return Part(
            file=FileRecord(
                name=clip.name,
                sha256=clip.sha256,
                group=clip.group,
                split=clip.split or split_of(clip.group, self.plan.shares, self.plan.seed),
                sample_rate_hz=clip.sample_rate_hz,
                channels=clip.channels,
                samples=samples,
                rows=len(vectors),
            ),
            vectors=vectors,
            t=np.ones(len(vectors), np.float32),
            labels=labels,
        )


@dataclass(frozen=True)
class AudioCollector(ClipCollector):
    """Encodes audio with a codec."""

    spec: CodecSpec
    plan: Plan

    @cached_property
    def _codec(self) -> Codec:
        return self.spec.load()

    @property
    def segment_frames(self) -> int:
        """The same for every codec."""
        return SEGMENT_FRAMES

    def prepare(self, audio: torch.Tensor, sample_rate_hz: int) -> torch.Tensor:
        """Bring a stretch to the codec's rate and channels."""
        to = {"to_hz": self._codec.sample_rate_hz, "channels": self._codec.channels}
        heard = prepare_audio(audio[None], sample_rate_hz, **to)[0]
        return heard[:, : SEGMENT_FRAMES * self._codec.hop_samples]

    def vectors(self, heard: torch.Tensor) -> np.ndarray:
        """Encode a stretch."""
        return self._codec.encode(heard[None], self._codec.sample_rate_hz)[0].numpy()


class _Rows:
    """Rows of one clip: every frame, or running sums for the mean over all of them."""

    def __init__(self, pool: Pool) -> None:
        self._mean = pool == "mean"
        self._blocks: list[dict[str, np.ndarray]] = []

    def add(self, vectors: np.ndarray, labels: Mapping[str, np.ndarray]) -> None:
        """Add a stretch: vectors ``[T, d]``, labels ``[T]`` or ``[T, D]`` with NaN where they do not exist."""
        block = {VECTORS: vectors, **labels}
        if self._mean:
            sums = {name: np.nansum(v, axis=0, keepdims=True, dtype=np.float64) for name, v in block.items()}
            counts = {_COUNT + name: np.isfinite(v).sum(axis=0, keepdims=True) for name, v in block.items()}
            block = {name: np.asarray(values) for name, values in (sums | counts).items()}
            if self._blocks:
                block = {name: self._blocks[0][name] + values for name, values in block.items()}
            self._blocks.clear()
        self._blocks.append(block)

    def joined(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return vectors ``[n, d]`` and labels; a property that no frame has is NaN in the mean too."""
        if self._mean:
            (sums,) = self._blocks
            with np.errstate(invalid="ignore"):
                found = {
                    name: np.asarray(sums[name] / sums[_COUNT + name], np.float32)
                    for name in sums
                    if not name.startswith(_COUNT)
                }
        else:
            found = {name: np.concatenate([block[name] for block in self._blocks]) for name in self._blocks[0]}
        return found.pop(VECTORS), found


def measure(audio: np.ndarray, plan: Plan, frames: int) -> dict[str, np.ndarray]:
    """Measure the plan's properties of ``[channels, N]``: ``[frames]`` or ``[frames, D]``, NaN where not valid."""
    rates = (plan.sample_rate_hz, plan.frame_rate_hz)
    return {name: properties.load(name).measure(audio, *rates, frames).masked() for name in plan.properties}
