"""Spectral shape: a description of timbre richer than brightness alone."""

from __future__ import annotations

import numpy as np
import scipy.fft

from analysis.properties.base import Property, PropertyTrack
from analysis.properties.frames import Array, FrameGrid, mono
from analysis.properties.spectrum import BANDS, Spectrum, decibels

CEPSTRA = 8
RANGE_DB = 60.0
"""Bands further than this below the strongest one of their frame count as that far below."""
ROLLOFF = 0.85
AUDIBLE_HZ = 20.0


class SpectralShape(Property):
    """Eleven numbers a frame, none of which changes with level; frames of silence are not valid.

    ``mfcc_1`` .. ``mfcc_8``: weight in dB of the k-th cosine in the mel spectrum (mel-frequency cepstral coefficients).
    ``spread``: standard deviation of log frequency, weighted by power, in octaves. ``rolloff``: frequency below which
    85 % of the power lies, in octaves re 1 kHz. ``flatness``: geometric over arithmetic mean of the mel bands, in dB.
    """

    name = "spectral_shape"
    unit = "steps (1.5 dB, 1/8 octave)"
    tolerance = 1.0
    components = (*(f"mfcc_{k}" for k in range(1, CEPSTRA + 1)), "spread", "rolloff", "flatness")
    dimensions = len(components)
    scale = (*(1.5,) * CEPSTRA, 0.125, 0.125, 1.5)

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Measure the channels' mean; frames that are not valid hold zeros."""
        signal, spectrum = mono(audio), Spectrum(grid)
        valid = spectrum.sounding(signal)
        values = spectrum.per_frame(signal, lambda magnitudes: _shape(np.square(magnitudes), spectrum))
        return PropertyTrack(np.where(valid[..., None], values, np.float32(0)), valid, valid.astype(np.float32))

    def format(self, value: float) -> str:
        """Write one component in its own unit."""
        return f"{value:.2f}"


def _shape(power: Array, spectrum: Spectrum) -> Array:
    """Eleven components ``[n, 11]`` of power spectra ``[n, bins]``."""
    bands = power @ spectrum.mel
    strongest = np.maximum(bands.max(axis=1, keepdims=True), np.finfo(np.float32).tiny * 1e9)
    bands = np.maximum(bands, strongest * 10 ** (-RANGE_DB / 10))
    bands_db = decibels(bands, 0)
    cepstra = scipy.fft.dct(bands_db, axis=1)[:, 1 : CEPSTRA + 1] / BANDS
    flatness = bands_db.mean(axis=1) - decibels(bands.mean(axis=1), 0)

    audible = spectrum.frequencies_hz >= AUDIBLE_HZ
    power, octaves = power[:, audible], np.log2(spectrum.frequencies_hz[audible] / 1000)
    share = power / np.maximum(power.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    centre = share @ octaves
    spread = np.sqrt(np.maximum(share @ np.square(octaves) - np.square(centre), 0))
    below = np.cumsum(share, axis=1)
    last = (below < ROLLOFF).sum(axis=1).clip(1, len(octaves) - 1)
    rows = np.arange(len(power))
    part = np.clip((ROLLOFF - below[rows, last - 1]) / np.maximum(share[rows, last], 1e-12), 0, 1)
    rolloff = octaves[last - 1] + part * (octaves[last] - octaves[last - 1])
    return np.concatenate([cepstra, np.stack([spread, rolloff, flatness], axis=1)], axis=1).astype(np.float32)
