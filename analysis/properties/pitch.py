"""Pitch: the fundamental frequency as a fractional MIDI note number, with periodicity and voicing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.properties.base import BinKind, Property, PropertyTrack
from analysis.properties.bins import Bins
from analysis.properties.frames import Array, FrameGrid, mono
from analysis.properties.tracker import track_f0

LOWEST_NOTE, NOTES = 24, 66
"""C1, and 66 semitones up from it to F6: the classes of Paek et al. (arXiv 2510.23802 does not name their ends)."""
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class Pitch(Property):
    """Fundamental frequency in semitones (MIDI note numbers, A4 = 440 Hz = 69) of the channels' mean.

    Valid where voiced; confidence is the periodicity. Classes are semitones centred on the notes; pitches below C1 and
    above F6 have none.
    """

    name = "pitch"
    unit = "semitones (MIDI)"
    tolerance = 0.5
    bin_count = NOTES

    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Track f0; see ``analysis.properties.tracker``."""
        f0_hz, periodicity, voiced = track_f0(mono(audio), grid)
        return PropertyTrack(semitones(f0_hz).astype(np.float32), voiced, periodicity)

    def bins(self, values: npt.ArrayLike = (), kind: BinKind = "equal_width") -> Bins:
        """66 fixed semitone classes C1..F6, or quantile bins fitted on ``values``."""
        if kind == "quantile":
            return super().bins(values, kind)
        return Bins(tuple(LOWEST_NOTE - 0.5 + i for i in range(NOTES + 1)), open_ended=False)

    def format(self, value: float) -> str:
        """Write a pitch as a note and the rest in cents, such as ``A4 +12 cents``."""
        note = round(value)
        cents = round(100 * (value - note))
        name = f"{NAMES[note % 12]}{note // 12 - 1}"
        return f"{name} {cents:+d} cents" if cents else name


def semitones(frequency_hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Fractional MIDI note number of a frequency."""
    return np.asarray(69 + 12 * np.log2(np.asarray(frequency_hz, np.float64) / 440))


def hertz(note: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Frequency of a fractional MIDI note number."""
    return np.asarray(440 * np.exp2((np.asarray(note, np.float64) - 69) / 12))
