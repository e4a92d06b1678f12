"""A batched monophonic f0 tracker of the YIN family."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr

from analysis.properties.frames import Array, FrameGrid, frame_grid, per_frame

RATE_HZ = 16000
"""Rate the tracker works at."""
WINDOW = 1536
"""Samples per window at that rate: 96 ms, three periods of C1."""
LAGS = 512
SHORTEST_LAG = 7
FIRST_PEAK = 0.9
"""A peak is taken when it is at least this share of the highest one (McLeod and Wyvill, 2005)."""
VOICED_PERIODICITY = 0.6
SILENCE_POWER = 1e-7


def track_f0(signal: Array, grid: FrameGrid) -> tuple[npt.NDArray[np.float64], Array, npt.NDArray[np.bool_]]:
    """Track ``[B, N]``: f0 in Hz, periodicity 0..1 and voicing, each ``[B, T]``."""
    low = np.stack([soxr.resample(clip, grid.sample_rate_hz, RATE_HZ) for clip in signal])
    low_grid = frame_grid(low.shape[1], RATE_HZ, grid.frame_rate_hz, grid.frames)
    lag, periodicity, power = np.moveaxis(per_frame(low, low_grid, WINDOW, _pick), -1, 0)
    voiced = (periodicity > VOICED_PERIODICITY) & (power > SILENCE_POWER) & grid.inside()
    return RATE_HZ / lag.astype(np.float64), np.clip(periodicity, 0, 1), voiced


def _pick(windows: Array) -> Array:
    """Lag of the first high peak of each window's normalised autocorrelation, its height, and the power: ``[n, 3]``."""
    similarity, power = _similarity(windows)
    inner = similarity[:, 1:-1]
    peak = (inner >= similarity[:, :-2]) & (inner > similarity[:, 2:]) & (inner > 0)
    peak[:, : SHORTEST_LAG - 1] = False
    peak &= np.minimum.accumulate(inner, axis=1) < 0.5
    height = np.where(peak, inner, 0)
    best = height.max(axis=1, keepdims=True)
    lag = np.argmax(height >= np.maximum(FIRST_PEAK * best, 1e-6), axis=1) + 1
    rows = np.arange(len(windows))
    lag = np.maximum(lag, SHORTEST_LAG)
    left, centre, right = (similarity[rows, lag + d] for d in (-1, 0, 1))
    curvature = left - 2 * centre + right
    shift = np.where(curvature < 0, (left - right) / np.where(curvature < 0, 2 * curvature, 1), 0)
    return np.stack([lag + np.clip(shift, -0.5, 0.5), centre, power], axis=-1).astype(np.float32)


def _similarity(windows: Array) -> tuple[Array, Array]:
    """Normalised autocorrelation of ``[n, WINDOW]`` at lags 0..LAGS, in -1..1, and the windows' mean power."""
    size = scipy.fft.next_fast_len(WINDOW + LAGS, real=True)
    spectrum = scipy.fft.rfft(windows, size, axis=-1)
    product = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=-1)[:, : LAGS + 1]
    energy = np.cumsum(np.square(windows, dtype=np.float64), axis=1)
    total = energy[:, -1:]
    first = energy[:, WINDOW - 1 - np.arange(LAGS + 1)]
    last = total - np.concatenate([np.zeros((len(windows), 1)), energy[:, :LAGS]], axis=1)
    similarity = 2 * product / np.maximum(first + last, 1e-12)
    return similarity.astype(np.float32), (total[:, 0] / WINDOW).astype(np.float32)
