"""What steering is judged by, measured on one clip of audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis import properties
from analysis.properties.frames import Array, check_audio, frame_grid
from analysis.properties.loudness import integrated_lufs, level_db
from analysis.properties.spectrum import SILENCE_DB, WINDOW_S, Spectrum, decibels

JUDGED = ("pitch", "loudness", "timbre")
"""Scalar properties that are steered and whose leakage is measured."""
RANGE_DB = 40.0
"""Frames further than this below the clip's loudest do not count as sounding: a struck string dies away, and what a
tracker reads in its last breath is nobody's note."""
STABLE_SEMITONES = 0.5
"""A frame's pitch is stable where both neighbours are voiced and lie within this."""
MIN_STABLE_SHARE = 0.5
"""Share of the sounding frames that must be stable for a clip's pitch to be steered and judged."""
MIN_FRAMES = 3
"""Fewer frames than this prove nothing."""


@dataclass(frozen=True)
class ClipMeasures:
    """One clip, measured. Shape letters: T frames of the codec's grid, B mel bands."""

    values: Mapping[str, Array]
    """Property of ``JUDGED`` -> float32 ``[T]`` in its own unit, NaN where it does not exist or nothing sounds."""
    sounding: npt.NDArray[np.bool_]
    """``[T]``: louder than ``SILENCE_DB``, and within ``RANGE_DB`` of the clip's loudest frame."""
    lufs: float
    """Integrated loudness."""
    log_mel_db: Array
    """``[T, B]`` level of mel bands, at least ``SILENCE_DB``."""
    chroma: Array
    """``[T, 12]`` shares of the pitch classes, NaN where nothing sounds."""
    onset_db: Array
    """``[T]`` onset strength."""
    flatness_db: Array
    """``[T]`` spectral flatness, 0 for white noise, NaN where nothing sounds."""
    clipped: float
    """Share of samples at or beyond full scale."""

    @cached_property
    def stable(self) -> npt.NDArray[np.bool_]:
        """``[T]``: voiced, with both neighbours voiced and within ``STABLE_SEMITONES``."""
        pitch = self.values["pitch"]
        near = np.abs(np.diff(pitch)) <= STABLE_SEMITONES  # comparing with NaN gives False
        return np.concatenate([[False], near[:-1] & near[1:], [False]]) if len(pitch) > 2 else np.isnan(pitch) & False

    def judged_frames(self, name: str) -> npt.NDArray[np.bool_]:
        """``[T]``: frames of this clip, as a baseline, in which a change of ``name`` can be judged."""
        return self.stable if name == "pitch" else np.isfinite(self.values[name])

    def can_judge(self, name: str) -> bool:
        """Whether a change of ``name`` can be judged against this clip: pitch must be voiced and stable."""
        frames = int(self.judged_frames(name).sum())
        needed = MIN_STABLE_SHARE * self.sounding.sum() if name == "pitch" else 0
        return bool(frames >= max(needed, MIN_FRAMES))

    def typical(self, name: str) -> float:
        """Median of ``name`` over the frames that have it; NaN where none does."""
        values = self.values[name][np.isfinite(self.values[name])]
        return float(np.median(values)) if values.size else float("nan")


def measure_clip(audio: npt.NDArray[np.floating], sample_rate_hz: int, frame_rate_hz: float) -> ClipMeasures:
    """Measure one clip ``[channels, N]``, as decoded, on the frame grid of its codec. Raises ``AudioError``."""
    checked = check_audio(audio, "channels, samples")
    grid = frame_grid(checked.shape[1], sample_rate_hz, frame_rate_hz)
    mono, spectrum = checked.mean(axis=0, keepdims=True), Spectrum(grid)
    floor = 10 ** (SILENCE_DB / 10)
    level = level_db(checked[None], grid, WINDOW_S)[0]
    sounding = spectrum.sounding(mono)[0] & (level > level.max() - RANGE_DB)

    def track(name: str) -> Array:
        return properties.load(name).measure(checked, sample_rate_hz, frame_rate_hz).masked()

    def only_sounding(values: Array) -> Array:
        return np.where(sounding, values, np.float32(np.nan))

    shape = properties.load("spectral_shape")
    return ClipMeasures(
        values={name: only_sounding(track(name)) for name in JUDGED},
        sounding=sounding,
        lufs=integrated_lufs(checked, sample_rate_hz),
        log_mel_db=spectrum.per_frame(mono, lambda m: decibels(np.square(m) @ spectrum.mel, floor))[0],
        chroma=track("chroma"),
        onset_db=track("onset"),
        flatness_db=only_sounding(track("spectral_shape")[:, shape.components.index("flatness")]),
        clipped=float((np.abs(checked) >= 1).mean()),
    )
