"""Magnitude spectra of frames, shared by the spectral properties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from analysis.properties.frames import Array, FrameGrid, per_frame
from analysis.properties.loudness import level_db

WINDOW_S = 0.0464
"""Shortest analysis window: 2048 samples at 44.1 kHz."""
SILENCE_DB = -70.0
"""Frames below this level have no spectral properties."""
BANDS = 32
LOWEST_HZ, HIGHEST_HZ = 50.0, 8000.0
"""Range of the mel bands; bands above the audio's own range are empty."""


@dataclass(frozen=True)
class Spectrum:
    """Hann-windowed magnitude spectra on a frame grid; a sine of amplitude 1 has a peak magnitude of 1."""

    grid: FrameGrid
    window_s: float = WINDOW_S
    """Window length, unless a frame is longer."""

    @property
    def length(self) -> int:
        """Window length in samples."""
        return max(round(max(self.grid.hop_samples, self.window_s * self.grid.sample_rate_hz)), 4)

    @property
    def size(self) -> int:
        """FFT length: twice the window, so that sums over bins do not depend on where the bins happen to lie."""
        return int(scipy.fft.next_fast_len(2 * self.length, real=True))

    @cached_property
    def frequencies_hz(self) -> Array:
        """``[bins]``."""
        return np.asarray(scipy.fft.rfftfreq(self.size, 1 / self.grid.sample_rate_hz), np.float32)

    @cached_property
    def mel(self) -> Array:
        """``[bins, BANDS]``: weights of triangular bands, evenly spaced on the mel scale 2595 log10(1 + f / 700)."""
        low, high = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
        corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
        left, peak, right = corners[:-2], corners[1:-1], corners[2:]
        frequency = self.frequencies_hz[:, None]
        rising, falling = (frequency - left) / (peak - left), (right - frequency) / (right - peak)
        return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)

    def per_frame(self, signal: Array, reduce: Callable[[Array], Array]) -> Array:
        """Apply ``reduce`` ``[n, bins] -> [n, ...]`` to the spectra of ``signal`` ``[B, N]``: ``[B, T, ...]``."""
        taper = scipy.signal.get_window("hann", self.length).astype(np.float32)
        taper *= 2 / taper.sum()

        def transform(windows: Array) -> Array:
            return reduce(np.abs(scipy.fft.rfft(windows * taper, self.size, axis=-1)))

        return per_frame(signal, self.grid, self.length, transform)

    def sounding(self, signal: Array) -> npt.NDArray[np.bool_]:
        """``[B, T]``: whether a frame of ``[B, N]`` lies in the audio and is louder than ``SILENCE_DB``."""
        return np.asarray((level_db(signal[:, None], self.grid, self.window_s) > SILENCE_DB) & self.grid.inside())


def decibels(power: npt.NDArray[np.floating], floor: npt.ArrayLike) -> Array:
    """Power in dB, but at least ``floor`` (a power too)."""
    return np.asarray(10 * np.log10(np.maximum(power, floor)), np.float32)
