"""Chroma: the share of each pitch class in the spectrum."""

from __future__ import annotations

import numpy as np

from analysis.properties.base import Property, PropertyTrack
from analysis.properties.frames import Array, FrameGrid, mono
from analysis.properties.spectrum import Spectrum

WINDOW_S = 0.1858
"""8192 samples at 44.1 kHz: semitones are apart from about 180 Hz upwards."""
LOWEST_HZ, HIGHEST_HZ = 100.0, 5000.0


class Chroma(Property):
    """Power of the pitch classes C, C#, .. B between 100 Hz and 5 kHz, adding up to 1; silent frames are not valid.

    A frequency between two semitones counts for both, in proportion to its nearness.
    """

    name = "chroma"
    unit = "share"
    tolerance = 0.1
    components = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    dimensions = len(components)

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Measure the channels' mean; frames that are not valid, or empty between the limits, hold 1/12 throughout."""
        signal, spectrum = mono(audio), Spectrum(grid, WINDOW_S)
        weights = _weights(spectrum.frequencies_hz)
        power = spectrum.per_frame(signal, lambda magnitudes: np.square(magnitudes) @ weights)
        total = power.sum(axis=-1, keepdims=True)
        valid = spectrum.sounding(signal) & (total[..., 0] > 1e-12)
        share = np.where(valid[..., None], power / np.maximum(total, 1e-12), 1 / 12)
        return PropertyTrack(share.astype(np.float32), valid, valid.astype(np.float32))

    def format(self, value: float) -> str:
        """Write a share in per cent."""
        return f"{100 * value:.0f} %"


def _weights(frequencies_hz: Array) -> Array:
    """``[bins, 12]``: how much each bin counts for each pitch class."""
    used = (frequencies_hz >= LOWEST_HZ) & (frequencies_hz <= HIGHEST_HZ)
    note = 69 + 12 * np.log2(np.maximum(frequencies_hz, 1) / 440)
    apart = np.abs((note[:, None] - np.arange(12) + 6) % 12 - 6)
    return np.asarray(np.maximum(1 - apart, 0) * used[:, None], np.float32)
