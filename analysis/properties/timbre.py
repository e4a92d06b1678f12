"""Timbre: brightness, as the spectral centroid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.properties.base import Property, PropertyTrack
from analysis.properties.frames import Array, FrameGrid
from analysis.properties.loudness import level_db
from analysis.properties.spectrum import SILENCE_DB, WINDOW_S, per_spectrum

REFERENCE_HZ = 1000.0


class Timbre(Property):
    """Spectral centroid of the channels' mean, in octaves above 1 kHz; frames of silence are not valid.

    The centroid is weighted by magnitude. Octaves rather than Hz, because equal steps then sound equal and equal-width
    classes are not spent on a few bright frames; ``hertz`` converts back.
    """

    name = "timbre"
    unit = "octaves re 1 kHz"
    tolerance = 0.125

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Measure the centroid; frames that are not valid hold 0 (1 kHz)."""
        mono = audio.mean(axis=1)
        centroid_hz = per_spectrum(mono, grid, centroid)
        valid = (level_db(mono[:, None], grid, WINDOW_S) > SILENCE_DB) & grid.inside()
        octaves = np.log2(np.where(valid, centroid_hz, REFERENCE_HZ) / REFERENCE_HZ)
        return PropertyTrack(octaves.astype(np.float32), valid, valid.astype(np.float32))

    def format(self, value: float) -> str:
        """Write a centroid as a frequency, such as ``1.85 kHz``."""
        frequency_hz = REFERENCE_HZ * 2.0**value
        return f"{frequency_hz:.0f} Hz" if frequency_hz < 1000 else f"{frequency_hz / 1000:.2f} kHz"


def hertz(octaves: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Centroid in Hz of values of ``Timbre``."""
    return np.asarray(REFERENCE_HZ * np.exp2(np.asarray(octaves, np.float64)))


def centroid(magnitudes: Array, frequencies_hz: npt.NDArray[np.float64]) -> Array:
    """Magnitude-weighted mean frequency in Hz of ``[n, bins]``; at least 1 Hz, so that its logarithm exists."""
    total = magnitudes.sum(axis=-1)
    weighted = magnitudes @ frequencies_hz.astype(np.float32)
    return np.asarray(np.maximum(weighted / np.maximum(total, np.finfo(np.float32).tiny), 1.0), np.float32)
