"""Short sounds that a feature is strongest in: of a data set where one is given, else of the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from generators.codecs.base import Codec
from harness.datasets.reader import Dataset
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.report.features import activations

FloatArray = NDArray[np.float32]

CLIP_S = 1.0
MOST_ROWS = 65_536
"""Most vectors of a data set that are encoded: stretches spread evenly over it."""
STRETCH = 512


@dataclass(frozen=True)
class Example:
    """A short sound."""

    name: str
    """Where it is from, in words."""
    audio: FloatArray
    """``[channels, N]``."""


def from_sound(audio: FloatArray, sample_rate_hz: int, active: FloatArray, frame_rate_hz: float) -> Example | None:
    """Cut the stretch in which ``active [T]`` is largest out of a sound; None where it is zero throughout."""
    if not active.any():
        return None
    frames = max(1, round(CLIP_S * frame_rate_hz))
    start_s = _window(active, frames) / frame_rate_hz
    start = int(start_s * sample_rate_hz)
    clip = audio[:, start : start + int(CLIP_S * sample_rate_hz)]
    return Example(f"this sound, {start_s:.1f} s", clip) if clip.size else None


@dataclass(frozen=True)
class InDataset:
    """One feature in a data set."""

    density: float
    """Share of the encoded vectors in which it fires."""
    example: Example | None
    """The stretch that holds its largest value; None where it never fires."""


def from_dataset(
    dataset: Dataset, artifacts: Artifacts, codec: Codec, chosen: NDArray[np.int64]
) -> Sequence[InDataset]:
    """Find the ``chosen`` features in a data set of clean latents, and decode what they are strongest in.

    Raises ``InputError`` for a data set of another codec, or not of clean latents.
    """
    made_for = codec.id, codec.weights_sha256, "latents"
    found = dataset.source.model_id, dataset.source.weights_sha256, dataset.source.hook_point
    if found != made_for:
        raise InputError(
            f"{dataset.path} holds {found[2]} of {found[0]!r}, weights {found[1][:12]}; give clean latents of "
            f"{codec.id!r}, weights {codec.weights_sha256[:12]}"
        )
    rows = dataset.rows()
    starts = np.arange(0, rows.shape[0], STRETCH)
    starts = starts[:: -(-len(starts) * STRETCH // MOST_ROWS)]
    fired, read = np.zeros(len(chosen)), 0
    best, where = np.zeros(len(chosen), np.float32), np.zeros(len(chosen), np.int64)
    for start in map(int, starts):
        values = activations(artifacts, rows[start : start + STRETCH], chosen)
        fired, read = fired + (values > 0).sum(axis=1), read + values.shape[1]
        better = values.max(axis=1) > best
        best, where = np.where(better, values.max(axis=1), best), np.where(better, start + values.argmax(axis=1), where)
    ends = np.cumsum([file.rows for file in dataset.files])
    return [
        InDataset(float(count / read), _decoded(dataset, codec, ends, int(row)) if top > 0 else None)
        for count, top, row in zip(fired, best, where, strict=True)
    ]


def _decoded(dataset: Dataset, codec: Codec, ends: NDArray[np.int64], row: int) -> Example:
    """Decode about ``CLIP_S`` seconds of the file that ``row`` is in, around it."""
    file = int(np.searchsorted(ends, row, side="right"))
    first, last = int(ends[file]) - dataset.files[file].rows, int(ends[file])
    frames = max(1, round(CLIP_S * codec.frame_rate_hz))
    start = max(first, min(row - frames // 2, last - frames))
    latents = torch.from_numpy(dataset.rows()[start : min(start + frames, last)].copy())
    with torch.inference_mode():
        return Example(dataset.files[file].name, codec.decode(latents[None])[0].cpu().numpy())


def _window(active: FloatArray, frames: int) -> int:
    """Start of the ``frames`` long window with the largest sum."""
    sums = np.convolve(active, np.ones(frames, np.float32), mode="valid") if len(active) >= frames else active[:1]
    return int(sums.argmax())
