"""Magnitude spectra of frames, shared by the spectral properties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from analysis.properties.frames import Array, FrameGrid, per_frame

WINDOW_S = 0.0464
"""Shortest analysis window: 2048 samples at 44.1 kHz."""
SILENCE_DB = -70.0
"""Frames below this level have no spectral properties."""

SpectrumReduce = Callable[[Array, npt.NDArray[np.float64]], Array]
"""``(magnitudes [n, bins], frequencies_hz [bins]) -> [n, ...]``."""


def per_spectrum(signal: Array, grid: FrameGrid, reduce: SpectrumReduce) -> Array:
    """Apply ``reduce`` to the Hann-windowed magnitude spectrum of every frame of ``[B, N]``: ``[B, T, ...]``.

    The window is ``WINDOW_S`` or one frame, whichever is longer; a sine of amplitude 1 has a peak magnitude of 1.
    """
    length = round(max(grid.hop_samples, WINDOW_S * grid.sample_rate_hz))
    hann = scipy.signal.get_window("hann", length).astype(np.float32)
    hann *= 2 / hann.sum()
    size = scipy.fft.next_fast_len(length, real=True)
    frequencies_hz = scipy.fft.rfftfreq(size, 1 / grid.sample_rate_hz)

    def spectrum(windows: Array) -> Array:
        return reduce(np.abs(scipy.fft.rfft(windows * hann, size, axis=-1)), frequencies_hz)

    return per_frame(signal, grid, length, spectrum)
