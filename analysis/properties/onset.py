"""Onset strength: how much louder the bands of a frame are than those of the frame before."""

from __future__ import annotations

import numpy as np

from analysis.properties.base import Property, PropertyTrack
from analysis.properties.frames import Array, FrameGrid, mono
from analysis.properties.spectrum import SILENCE_DB, Spectrum, decibels


class Onset(Property):
    """Spectral flux in dB: the mean over mel bands of their rise since the last frame, falls counting as nothing.

    Bands are floored at -70 dB. What lies before the audio is silence, so a clip that begins with a sound begins with
    an onset. Every frame inside the audio is valid.
    """

    name = "onset"
    unit = "dB"
    tolerance = 3.0

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Measure the channels' mean."""
        spectrum = Spectrum(grid)
        floor = 10 ** (SILENCE_DB / 10)
        bands_db = spectrum.per_frame(mono(audio), lambda m: decibels(np.square(m) @ spectrum.mel, floor))
        rise = np.diff(bands_db, axis=1, prepend=np.float32(SILENCE_DB))
        strength = np.maximum(rise, 0).mean(axis=-1)
        inside = np.broadcast_to(grid.inside(), strength.shape)
        return PropertyTrack(strength, inside, inside.astype(np.float32))

    def format(self, value: float) -> str:
        """Write a strength, such as ``+12.3 dB``."""
        return f"{value:+.1f} dB"
