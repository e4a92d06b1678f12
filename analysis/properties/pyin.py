"""Pitch by librosa's probabilistic YIN: the slow reference for the default tracker."""

from __future__ import annotations

import numpy as np
import soxr

from analysis.properties.autocorrelation import HIGHEST_HZ, LOWEST_HZ
from analysis.properties.base import PropertyTrack
from analysis.properties.frames import Array, FrameGrid, frame_grid, mono, per_frame
from analysis.properties.pitch import Pitch, semitones
from analysis.properties.spectrum import SILENCE_DB

RATE_HZ = 22050
WINDOW = 2048
TRANSITION_RATE = 35.92
"""Octaves per second that the path may move: librosa's default."""


class PyinPitch(Pitch):
    """``Pitch`` by ``librosa.pyin`` (Mauch and Dixon 2014); confidence is its probability of voicing."""

    name = "pitch-pyin"

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Track each clip; librosa is given the frames' windows end to end, so that any frame rate is met exactly."""
        import librosa  # slow to import, and needed for this reference only

        signal = mono(audio)
        low = np.stack([soxr.resample(clip, grid.sample_rate_hz, RATE_HZ) for clip in signal])
        low_grid = frame_grid(low.shape[1], RATE_HZ, grid.frame_rate_hz, grid.frames)
        windows = per_frame(low, low_grid, WINDOW, np.copy)
        results = [
            librosa.pyin(
                clip.ravel(),
                fmin=LOWEST_HZ,
                fmax=HIGHEST_HZ,
                sr=RATE_HZ,
                frame_length=WINDOW,
                hop_length=WINDOW,
                max_transition_rate=TRANSITION_RATE * low_grid.hop_samples / WINDOW,
                fill_na=None,
                center=False,
            )
            for clip in windows
        ]
        f0_hz, voiced, probability = (np.stack(part) for part in zip(*results, strict=True))
        loud = np.square(windows).mean(axis=-1) > 10 ** (SILENCE_DB / 10)
        valid = voiced & loud & grid.inside()
        return PropertyTrack(semitones(f0_hz).astype(np.float32), valid, probability.clip(0, 1).astype(np.float32))
