"""What a steering was asked to do, and whether it did."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis import properties
from analysis.properties.frames import Array
from analysis.steering.clip import JUDGED, ClipMeasures

REACHED_SHARE = 0.5
"""Share of the judged frames that must be on target: then a typical frame is."""


@dataclass(frozen=True)
class Target:
    """A wanted change of one property, or a wanted value."""

    property: str
    """One of ``JUDGED``."""
    change: float | None = None
    """Added to the baseline's value in every frame, in the property's unit."""
    to: float | None = None
    """Value wanted in every frame, in the property's unit."""

    def __post_init__(self) -> None:
        if self.property not in JUDGED:
            raise ValueError(f"{self.property!r} cannot be a target; give one of {', '.join(JUDGED)}")
        given = [value for value in (self.change, self.to) if value is not None]
        if len(given) != 1 or not math.isfinite(given[0]):
            raise ValueError(f"give a finite change or a finite value, not both; got {self.change} and {self.to}")

    def wanted(self, baseline: Array) -> Array:
        """Values wanted in every frame, given the baseline's ``[T]``."""
        return baseline + np.float32(self.change) if self.change is not None else np.full_like(baseline, self.to)


def hit_share(baseline: ClipMeasures, other: ClipMeasures, target: Target) -> float:
    """Share of the baseline's judged frames that are on target in ``other``; NaN where there are none.

    A frame is on target within the property's own tolerance (pitch: 50 cents, loudness: 1.5 dB, timbre: 1/8 octave) of
    the wanted value. A frame that has lost the property is a miss. A share, not an average of values: an octave too
    high in one half and too low in the other is no success.
    """
    frames = baseline.judged_frames(target.property)
    if not frames.any():
        return float("nan")
    wanted = target.wanted(baseline.values[target.property])[frames]
    measured = properties.load(target.property)
    return float(measured.agrees(other.values[target.property][frames], wanted).mean())
