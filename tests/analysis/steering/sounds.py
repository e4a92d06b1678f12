"""Tones whose pitch, level and brightness are known."""

from __future__ import annotations

import numpy as np

from analysis.steering import ClipMeasures, measure_clip

RATE_HZ, FRAME_RATE_HZ = 16000, 20.0


def tone(note=69.0, level_db=-20.0, partials=(1.0,), seconds=1.0, pause_s=0.0):
    """A note ``[1, N]`` with an RMS of ``level_db``, after a pause."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hz = 440 * 2 ** ((note - 69) / 12)
    wave = sum(a * np.sin(2 * np.pi * hz * k * time_s) for k, a in enumerate(partials, start=1))
    wave *= 10 ** (level_db / 20) / np.sqrt(np.mean(wave**2))
    return np.concatenate([np.zeros(round(pause_s * RATE_HZ)), wave])[None].astype(np.float32)


def measured(*parts, **options) -> ClipMeasures:
    """Measure a tone, or audio that is given."""
    audio = np.concatenate(parts, axis=1) if parts else tone(**options)
    return measure_clip(audio, RATE_HZ, FRAME_RATE_HZ)
