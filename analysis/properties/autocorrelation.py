"""Autocorrelation of windows of audio, and its best peak in every quarter octave: what the pitch tracker chooses from.

The power spectrum is used up to about 8 kHz whatever the audio's rate, so that the lags are those of audio at 16 kHz
and nothing has to be resampled. It is real and even: its inverse transform is a cosine transform.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from analysis.properties.frames import Array

WINDOW_S = 0.096
"""Three periods of C1."""
SPAN_S = 0.128
"""Shortest Fourier transform: the longest lag must not reach into the window's next repetition."""
LAG_RATE_HZ = 16000
"""Lags per second, to a fraction of a per cent: twice the frequency up to which the spectrum is used."""
LOWEST_HZ, HIGHEST_HZ = 31.5, 2250.0
"""Range searched: C1 to C7 and a little more at either end."""
PER_OCTAVE = 4
"""Candidates per octave."""
RUMBLE_HZ, ROLLOFF_HZ = 20.0, 2000.0
"""The power spectrum is cut below the first and rolls off by 24 dB per octave above the second."""
REFINED_LAG = 64
"""Lags below this are measured over as many periods as fit into it, which divides the error by their number."""
TINY = np.finfo(np.float32).tiny


class Autocorrelation:
    """Measures windows of audio at one sample rate."""

    def __init__(self, sample_rate_hz: float) -> None:
        self.window = max(round(WINDOW_S * sample_rate_hz), 4)
        """Samples per window."""
        self._size = int(scipy.fft.next_fast_len(max(round(SPAN_S * sample_rate_hz), self.window), real=True))
        self._bins = round(LAG_RATE_HZ / 2 * self._size / sample_rate_hz)
        frequency_hz = scipy.fft.rfftfreq(self._size, 1 / sample_rate_hz)[: self._bins + 1]
        self._rumble = int((frequency_hz < RUMBLE_HZ).sum())
        weight = (frequency_hz >= RUMBLE_HZ) / (1 + (frequency_hz / ROLLOFF_HZ) ** 4)
        self._weight = weight.astype(np.float32)

        self.lag_rate_hz = 2 * self._bins * sample_rate_hz / self._size
        """Lags per second, exactly."""
        shortest, longest = self.lag_rate_hz / HIGHEST_HZ, self.lag_rate_hz / LOWEST_HZ
        count = round(np.log2(longest / shortest) * PER_OCTAVE)
        self._edges = np.unique(np.rint(np.geomspace(shortest, longest, count + 1)).astype(np.intp))
        self.candidates = len(self._edges) - 1
        """Quarter octaves."""
        self._candidate = np.searchsorted(self._edges, np.arange(self._edges[-1]), side="right") - 1

        taper = scipy.signal.get_window("hann", self.window)
        power = np.abs(scipy.fft.rfft(taper, self._size)[: self._bins + 1]) ** 2
        lags = scipy.fft.dct(power, 1, self._bins + 1)[: self._edges[-1] + 2]
        self._taper, self._scale = taper.astype(np.float32), (lags[0] / lags).astype(np.float32)

    def best_peaks(self, windows: Array) -> Array:
        """Power, its share in range, then height and lag of each quarter octave's best peak.

        ``[n, window]`` -> ``[n, 2 + 2 * candidates]``. A quarter octave without a peak has height -1.
        """
        similarity, level = self._similarity(windows)
        low, high = self._edges[[0, -1]]
        inner = similarity[:, low:high]
        peak = (inner > similarity[:, low - 1 : high - 1]) & (inner >= similarity[:, low + 1 : high + 1])
        row, lag = np.divmod(np.flatnonzero(peak), high - low)
        lag += low
        values, at = similarity.ravel(), row * similarity.shape[1] + lag
        place = row * self.candidates + self._candidate[lag]
        best = _best_of_runs(values[at], place)
        lag, at, place = lag[best], at[best], place[best]

        shift, height = _parabola(values, at)
        periods = np.maximum(REFINED_LAG // lag, 1)
        far = np.rint((lag + shift) * periods).astype(np.intp)
        refined = (far + _parabola(values, at - lag + far)[0]) / periods
        heights = np.full(len(windows) * self.candidates, -1, np.float32)
        lags = np.tile(self._edges[:-1].astype(np.float32), len(windows))
        heights[place], lags[place] = height, refined
        shape = len(windows), self.candidates
        return np.concatenate([level, heights.reshape(shape), lags.reshape(shape)], axis=1)

    def _similarity(self, windows: Array) -> tuple[Array, Array]:
        """Autocorrelation coefficients of ``[n, window]`` up to the longest lag; power and its share in range."""
        spectrum = scipy.fft.rfft(windows * self._taper, self._size, axis=-1)[:, : len(self._weight)]
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        above_rumble = power[:, self._rumble :].sum(axis=1)
        power *= self._weight
        lags = scipy.fft.dct(power, 1, self._bins + 1, axis=-1)[:, : len(self._scale)]
        in_range = lags[:, 0] / 2
        similarity = lags * self._scale
        similarity /= np.maximum(lags[:, :1], TINY)
        mean = np.einsum("nk,nk->n", windows, windows) / np.float32(self.window)
        return similarity, np.stack([mean, in_range / np.maximum(above_rumble, TINY)], axis=1)


@lru_cache(maxsize=4)
def autocorrelation(sample_rate_hz: float) -> Autocorrelation:
    """Return the ``Autocorrelation`` of a rate; the last few are kept."""
    return Autocorrelation(sample_rate_hz)


def _best_of_runs(height: Array, place: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Index of the highest of each run of equal places; of equally high ones all."""
    first = np.flatnonzero(np.diff(place, prepend=-1))
    if not len(first):
        return first
    top = np.maximum.reduceat(height, first)
    return np.flatnonzero(height == np.repeat(top, np.diff(first, append=len(place))))


def _parabola(values: Array, at: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """Offset (within half a place) and height of the parabola through the peaks at ``at``."""
    left, centre, right = (values[at + d] for d in (-1, 0, 1))
    curvature = np.minimum(left - 2 * centre + right, np.float32(-1e-9))
    shift = np.clip((left - right) / (2 * curvature), -0.5, 0.5)
    return shift, centre - (left - right) * shift / 4
