"""Timbre: brightness, as the spectral centroid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.properties.base import Property, PropertyTrack
from analysis.properties.frames import Array, FrameGrid, mono
from analysis.properties.spectrum import Spectrum

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
        signal, spectrum = mono(audio), Spectrum(grid)

        def centroid_hz(magnitudes: Array) -> Array:
            total = np.maximum(magnitudes.sum(axis=-1), np.finfo(np.float32).tiny)
            return np.asarray(np.maximum(magnitudes @ spectrum.frequencies_hz / total, 1), np.float32)

        valid = spectrum.sounding(signal)
        octaves = np.log2(np.where(valid, spectrum.per_frame(signal, centroid_hz), REFERENCE_HZ) / REFERENCE_HZ)
        return PropertyTrack(octaves.astype(np.float32), valid, valid.astype(np.float32))

    def format(self, value: float) -> str:
        """Write a centroid as a frequency, such as ``1.85 kHz``."""
        frequency_hz = float(hertz(value))
        return f"{frequency_hz:.0f} Hz" if frequency_hz < 1000 else f"{frequency_hz / 1000:.2f} kHz"


def hertz(octaves: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Centroid in Hz of values of ``Timbre``."""
    return np.asarray(REFERENCE_HZ * np.exp2(np.asarray(octaves, np.float64)))
