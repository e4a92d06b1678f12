"""How much of a sound is left as it was: three distances between a clip and its baseline."""

from __future__ import annotations

import numpy as np
import scipy.signal

from analysis.properties.frames import Array
from analysis.steering.clip import ClipMeasures

ONSET_DB = 3.0
"""Least rise of the mel bands that counts as an onset."""
ONSET_TOLERANCE_FRAMES = 1


def log_mel_distance_db(baseline: ClipMeasures, other: ClipMeasures) -> float:
    """Mean absolute difference of the mel bands' levels over the frames, in dB."""
    return float(np.abs(baseline.log_mel_db - other.log_mel_db).mean())


def chroma_similarity(baseline: ClipMeasures, other: ClipMeasures, semitones: float = 0.0) -> float:
    """Mean cosine between the chroma of both clips over frames that sound in both; NaN where none does.

    The baseline's chroma is transposed by ``semitones`` first (to the nearest one), so that a wanted transposition does
    not count as a loss.
    """
    both = np.isfinite(baseline.chroma).all(axis=1) & np.isfinite(other.chroma).all(axis=1)
    if not both.any():
        return float("nan")
    a = np.roll(baseline.chroma[both], round(semitones), axis=1)
    b = other.chroma[both]
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / np.maximum(norms, 1e-12)).mean())


def onset_f1(baseline: ClipMeasures, other: ClipMeasures) -> float:
    """F-measure of the other clip's onsets against the baseline's, within a frame; NaN where neither has any."""
    first, second = onsets(baseline.onset_db), onsets(other.onset_db)
    if not len(first) + len(second):
        return float("nan")
    return 2 * _matches(first, second) / (len(first) + len(second))


def onsets(strength_db: Array) -> np.ndarray:
    """Frames ``[n]`` at which the onset strength ``[T]`` has a peak of ``ONSET_DB`` or more."""
    padded = np.pad(strength_db, 1)  # a clip may begin with its first onset
    peaks, _ = scipy.signal.find_peaks(padded, height=ONSET_DB, distance=ONSET_TOLERANCE_FRAMES + 1)
    return np.asarray(peaks - 1)


def _matches(first: np.ndarray, second: np.ndarray) -> int:
    """Largest number of pairs within the tolerance, each onset used once; both ascending."""
    found = i = j = 0
    while i < len(first) and j < len(second):
        apart = first[i] - second[j]
        if abs(apart) <= ONSET_TOLERANCE_FRAMES:
            found, i, j = found + 1, i + 1, j + 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    return found
