"""Loudness: the level of each frame in dB, and the integrated loudness of a clip."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pyloudnorm

from analysis.properties.base import Property, PropertyTrack
from analysis.properties.frames import Array, FrameGrid, check_audio

FLOOR_DB = -80.0
"""Lowest level reported; digital silence has it."""
MIN_WINDOW_S = 0.04
"""Shortest stretch a level is taken over: 1.3 periods of C1, so that the level does not follow the waveform."""
SILENCE_LUFS = -70.0
"""What a clip without any block above the absolute gate of ITU-R BS.1770-4 is given: the gate itself."""
BLOCK_S = 0.4
"""Gating block of ITU-R BS.1770-4."""


class Loudness(Property):
    """Root mean square in dB re full scale (a full-scale sine has -3.01 dB), energy mean over channels.

    The window is the frame, or ``MIN_WINDOW_S`` around its centre for frames shorter than that; samples outside the
    audio do not count. Silence is a level like any other, so every frame inside the audio is valid.
    """

    name = "loudness"
    unit = "dB"
    tolerance = 1.5

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Measure from sums of the energy between windows' ends: cost does not depend on the window length."""
        level = level_db(audio, grid, MIN_WINDOW_S)
        inside = np.broadcast_to(grid.inside(), level.shape)
        return PropertyTrack(level, inside, inside.astype(np.float32))

    def format(self, value: float) -> str:
        """Write a level, such as ``-20.3 dB``."""
        return f"{value:.1f} dB"


def level_db(audio: Array, grid: FrameGrid, window_s: float) -> Array:
    """Level ``[B, T]`` of ``[B, channels, N]``: RMS in dB, at least ``FLOOR_DB``, over windows of a frame or more."""
    length = max(grid.hop_samples, window_s * grid.sample_rate_hz)
    bounds = np.clip(grid.bounds(length), 0, grid.samples)
    edges, places = np.unique(bounds, return_inverse=True)
    squares = np.einsum("bcn,bcn->bn", audio, audio)[:, : edges[-1]]
    energy = np.pad(np.add.reduceat(squares, edges[:-1], axis=1, dtype=np.float64).cumsum(axis=1), ((0, 0), (1, 0)))
    (before, upto), samples = places.reshape(bounds.shape), np.maximum(bounds[1] - bounds[0], 1)
    mean = (energy[:, upto] - energy[:, before]) / (samples * audio.shape[1])
    return np.asarray(10 * np.log10(np.maximum(mean, 10 ** (FLOOR_DB / 10))), np.float32)


def integrated_lufs(audio: npt.NDArray[np.floating], sample_rate_hz: int) -> float:
    """Integrated loudness (ITU-R BS.1770-4) of a clip ``[channels, N]``; one to five channels, or 5.1.

    The order of 5.1 is L R C LFE Ls Rs, and the LFE does not count. A clip shorter than one gating block (0.4 s) is
    measured as a single block. A clip with nothing above the absolute gate gives ``SILENCE_LUFS``.
    """
    checked = check_audio(audio, "channels, samples")
    channels, samples = checked.shape
    if channels == 6:
        checked = np.delete(checked, 3, axis=0)
    elif channels > 6:
        raise ValueError(f"integrated loudness is defined for up to 5.1 channels, got {channels}; mix down first")
    block_s = min(BLOCK_S, samples / sample_rate_hz)
    with np.errstate(divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pyloudnorm averages no blocks at all when all are gated out
        meter = pyloudnorm.Meter(sample_rate_hz, block_size=block_s)
        lufs = float(meter.integrated_loudness(checked.T.astype(np.float64)))
    return max(lufs, SILENCE_LUFS) if np.isfinite(lufs) else SILENCE_LUFS
