"""A batched monophonic f0 tracker: normalised autocorrelation, one candidate per quarter octave, smoothing over frames.

The autocorrelation of each Hann-windowed frame is divided by that of the window, which makes the height of a peak an
estimate of the harmonic share of the signal's power (Boersma 1993). Two things differ. The spectrum is weighted towards
low frequencies first: the partials that define the pitch lie there, and hiss does not. And the path through the
candidates is the best one within a few frames of each frame (max-sum messages), not over the whole file: no frame waits
for the end, clips do not influence each other in a batch, and every step is an array operation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from analysis.properties.autocorrelation import autocorrelation
from analysis.properties.frames import Array, FrameGrid, frame_grid, per_frame

RATE_HZ, HIGHEST_RATE_HZ = 16000, 32000
"""Audio of a rate above the second is brought to the first; a transform of its own rate would cost more than that."""
OCTAVE_COST = 0.04
"""Loss of score per octave that a candidate lies below the highest: of peaks of one height, the highest pitch wins."""
JUMP_COST = 0.2
"""Loss of score for moving by more than one candidate between neighbouring frames."""
REACH_FRAMES = 6
"""How far smoothing looks either way."""
VOICED_PERIODICITY = 0.45
IN_RANGE_DB = -12.0
"""Least share of a frame's power that lies where the weighting lets it through. Below it, what repeats there is not
what is heard: a triangle or a snap above the range would be read as a pitch at its upper end."""
SILENCE_DB = -80.0


def track_f0(signal: Array, grid: FrameGrid) -> tuple[npt.NDArray[np.float64], Array, npt.NDArray[np.bool_]]:
    """Track ``[B, N]``: f0 in Hz (a guess where unvoiced), periodicity 0..1, and voicing, each ``[B, T]``."""
    inside = grid.inside()
    if grid.sample_rate_hz > HIGHEST_RATE_HZ:
        signal = np.stack([soxr.resample(clip, grid.sample_rate_hz, RATE_HZ) for clip in signal])
        grid = frame_grid(signal.shape[1], RATE_HZ, grid.frame_rate_hz, grid.frames)
    windows = autocorrelation(grid.sample_rate_hz)
    found = per_frame(signal, grid, windows.window, windows.best_peaks)
    power, in_range, heights, lags = np.split(found, [1, 2, 2 + windows.candidates], axis=-1)
    score = (heights - OCTAVE_COST * np.log2(lags)).astype(np.float32)
    chosen = _smooth(score).argmax(axis=-1)[..., None]
    periodicity = np.clip(np.take_along_axis(heights, chosen, -1)[..., 0], 0, 1)
    lag = np.take_along_axis(lags, chosen, -1)[..., 0].astype(np.float64)
    loud = (power > 10 ** (SILENCE_DB / 10)) & (in_range > 10 ** (IN_RANGE_DB / 10))
    voiced = (periodicity > VOICED_PERIODICITY) & loud[..., 0] & inside
    return windows.lag_rate_hz / lag, periodicity, voiced


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
