"""A batched monophonic f0 tracker: normalised autocorrelation, one candidate per quarter octave, smoothing over frames.

The autocorrelation of each Hann-windowed frame is divided by that of the window, which makes the height of a peak an
estimate of the harmonic share of the signal's power (Boersma 1993). Two things differ. The spectrum is weighted towards
low frequencies first: the partials that define the pitch lie there, and hiss does not. And the path through the
candidates is the best one within a few frames of each frame (max-sum messages), not over the whole file: no frame waits
for the end, clips do not influence each other in a batch, and every step is an array operation.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal
import soxr

from analysis.properties.frames import Array, FrameGrid, frame_grid, per_frame

RATE_HZ = 16000
"""Rate the tracker works at, whatever the audio's."""
WINDOW = 1536
"""Samples per window at that rate: 96 ms, three periods of C1."""
FFT_SIZE = 2048
LOWEST_HZ, HIGHEST_HZ = 31.5, 2250.0
"""Range searched: C1 to C7 and a little more at either end."""
PER_OCTAVE = 4
"""Candidates per octave."""
RUMBLE_HZ, ROLLOFF_HZ = 20.0, 2000.0
"""The power spectrum is cut below the first and rolls off by 24 dB per octave above the second."""
OCTAVE_COST = 0.04
"""Loss of score per octave that a candidate lies below the highest: of peaks of one height, the highest pitch wins."""
JUMP_COST = 0.2
"""Loss of score for moving by more than one candidate between neighbouring frames."""
REACH_FRAMES = 6
"""How far smoothing looks either way."""
REFINED_LAG = 64
"""Lags below this are measured over as many periods as fit into it, which divides the error by their number."""
VOICED_PERIODICITY = 0.45
IN_RANGE_DB = -12.0
"""Least share of a frame's power that lies where the weighting lets it through. Below it, what repeats there is not
what is heard: a triangle or a snap above the range would be read as a pitch at its upper end."""
SILENCE_DB = -80.0


def track_f0(signal: Array, grid: FrameGrid) -> tuple[npt.NDArray[np.float64], Array, npt.NDArray[np.bool_]]:
    """Track ``[B, N]``: f0 in Hz (a guess where unvoiced), periodicity 0..1, and voicing, each ``[B, T]``."""
    low = np.stack([soxr.resample(clip, grid.sample_rate_hz, RATE_HZ) for clip in signal])
    low_grid = frame_grid(low.shape[1], RATE_HZ, grid.frame_rate_hz, grid.frames)
    found = per_frame(low, low_grid, WINDOW, _candidates)
    power, in_range, heights, lags = np.split(found, [1, 2, 1 + len(_edges())], axis=-1)
    score = (heights - OCTAVE_COST * np.log2(lags)).astype(np.float32)
    chosen = _smooth(score).argmax(axis=-1)[..., None]
    periodicity = np.clip(np.take_along_axis(heights, chosen, -1)[..., 0], 0, 1)
    lag = np.take_along_axis(lags, chosen, -1)[..., 0].astype(np.float64)
    loud = (power > 10 ** (SILENCE_DB / 10)) & (in_range > 10 ** (IN_RANGE_DB / 10))
    voiced = (periodicity > VOICED_PERIODICITY) & loud[..., 0] & grid.inside()
    return RATE_HZ / lag, periodicity, voiced


def _candidates(windows: Array) -> Array:
    """Power, its share in range, then height and lag of each quarter octave's best peak: ``[n, 2 + 2 * candidates]``.

    A quarter octave without a peak has height -1.
    """
    similarity, level = _similarity(windows)
    inner = similarity[:, 1:-1]
    peak = (inner > similarity[:, :-2]) & (inner >= similarity[:, 2:])
    height = np.where(peak, inner, np.float32(-1))
    edges = _edges()
    lag = np.stack([height[:, a - 1 : b - 1].argmax(axis=1) + a for a, b in pairwise(edges)], axis=1)
    present = np.take_along_axis(height, lag - 1, axis=1) > -1
    shift, top = _parabola(similarity, lag)
    periods = np.maximum(REFINED_LAG // lag, 1)
    far = np.rint((lag + shift) * periods).astype(int)
    refined = (far + _parabola(similarity, far)[0]) / periods
    return np.concatenate([level, np.where(present, top, -1), refined], axis=1).astype(np.float32)


def _similarity(windows: Array) -> tuple[Array, Array]:
    """Autocorrelation coefficients of ``[n, WINDOW]`` up to the longest lag; power, its share in range ``[n, 2]``."""
    taper, taper_correlation, weight = _constants()
    spectrum = scipy.fft.rfft(windows * taper, FFT_SIZE, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    # A power spectrum is real, so its inverse transform is a cosine transform.
    lags = scipy.fft.dct(power * weight, 1, axis=-1)[:, : len(taper_correlation)]
    similarity = lags / (np.maximum(lags[:, :1], np.finfo(np.float32).tiny) * taper_correlation)
    in_range, above_rumble = (power @ np.stack([weight, weight > 0], axis=1, dtype=np.float32)).T
    mean = np.einsum("nk,nk->n", windows, windows) / np.float32(WINDOW)
    return similarity, np.stack([mean, in_range / np.maximum(above_rumble, np.finfo(np.float32).tiny)], axis=1)


def _parabola(similarity: Array, lag: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """Offset (within half a sample) and height of the parabola through the peak at each ``lag`` ``[n, m]``."""
    at = lag + similarity.shape[1] * np.arange(len(similarity))[:, None]
    left, centre, right = (similarity.ravel()[at + d] for d in (-1, 0, 1))
    curvature = np.minimum(left - 2 * centre + right, -1e-9)
    shift = np.clip((left - right) / (2 * curvature), -0.5, 0.5)
    return shift, centre - (left - right) * shift / 4


def _smooth(score: Array) -> Array:
    """Score of the best path through each candidate ``[B, T, m]`` within ``REACH_FRAMES`` either way."""
    past, future = np.zeros_like(score), np.zeros_like(score)
    for _ in range(REACH_FRAMES):
        past[:, 1:] = _step(score + past)[:, :-1]
        future[:, :-1] = _step(score + future)[:, 1:]
    return score + past + future


def _step(score: Array) -> Array:
    """Best score with which a path can come to each candidate: its own, a neighbour's, or any other's at a cost."""
    best = score.max(axis=-1, keepdims=True)
    reached = np.maximum(score, best - np.float32(JUMP_COST))
    reached[..., 1:] = np.maximum(reached[..., 1:], score[..., :-1])
    reached[..., :-1] = np.maximum(reached[..., :-1], score[..., 1:])
    return np.asarray(reached - best)


@lru_cache(maxsize=1)
def _edges() -> npt.NDArray[np.intp]:
    """Lags that bound the candidates' ranges, increasing."""
    shortest, longest = RATE_HZ / HIGHEST_HZ, RATE_HZ / LOWEST_HZ
    count = round(np.log2(longest / shortest) * PER_OCTAVE)
    return np.unique(np.rint(np.geomspace(shortest, longest, count + 1)).astype(np.intp))


@lru_cache(maxsize=1)
def _constants() -> tuple[Array, Array, Array]:
    """Window, its autocorrelation coefficients up to the longest lag, and the weight of each power-spectrum bin."""
    taper = scipy.signal.get_window("hann", WINDOW)
    correlation = scipy.fft.irfft(np.abs(scipy.fft.rfft(taper, FFT_SIZE)) ** 2)[: _edges()[-1] + 2]
    frequency_hz = scipy.fft.rfftfreq(FFT_SIZE, 1 / RATE_HZ)
    weight = (frequency_hz >= RUMBLE_HZ) / (1 + (frequency_hz / ROLLOFF_HZ) ** 4)
    return taper.astype(np.float32), (correlation / correlation[0]).astype(np.float32), weight.astype(np.float32)
