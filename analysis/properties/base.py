"""The contract every property keeps. Shape letters: B batch, N samples, T frames, D dimensions of a vector property."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from analysis.properties.bins import Bins
from analysis.properties.frames import Array, FrameGrid, check_audio, frame_grid

BinKind = Literal["equal_width", "quantile"]


@dataclass(frozen=True)
class PropertyTrack:
    """A property over the frames of one clip, or of a batch of clips."""

    values: Array
    """float32 ``[T]`` or ``[B, T]``, for vector properties with a last axis D; always finite, also where not valid."""
    valid: npt.NDArray[np.bool_]
    """``[T]`` or ``[B, T]``: whether the property exists in the frame (pitch: voiced; others: not silent)."""
    confidence: Array
    """float32 ``[T]`` or ``[B, T]`` in 0..1: periodicity for pitch; 1 where valid and 0 elsewhere for others."""

    def __getitem__(self, clip: int) -> PropertyTrack:
        """One clip of a batch."""
        return PropertyTrack(self.values[clip], self.valid[clip], self.confidence[clip])

    def masked(self) -> Array:
        """Return the values with NaN where not valid, for plots and averages."""
        valid = self.valid if self.valid.ndim == self.values.ndim else self.valid[..., None]
        return np.where(valid, self.values, np.float32(np.nan))


class Property(ABC):
    """Base class of all properties; subclasses set the attributes and implement ``track`` and ``format``."""

    name: str
    unit: str
    """Unit of the values."""
    tolerance: float
    """Largest ``distance`` at which two values count as the same."""
    dimensions: int | None = None
    """D of a vector property, None for a scalar one."""
    components: tuple[str, ...] = ()
    """Names of the D dimensions."""
    scale: tuple[float, ...] = ()
    """What counts as a distance of 1 in each of the D dimensions; empty = 1 everywhere."""
    bin_count: int = 20
    """Number of classes a probe predicts."""

    def require(self) -> None:  # noqa: B027 (most need nothing)
        """Raise ``ValueError``, saying what to install, when something that ``track`` needs is missing."""

    @abstractmethod
    def track(self, audio: Array, grid: FrameGrid) -> PropertyTrack:
        """Measure checked audio ``[B, channels, N]`` on ``grid``; values ``[B, T]`` or ``[B, T, D]``."""

    @abstractmethod
    def format(self, value: float) -> str:
        """Write one value (of a vector property: one component) for people."""

    def measure(
        self, audio: npt.NDArray[np.floating], sample_rate_hz: float, frame_rate_hz: float, frames: int | None = None
    ) -> PropertyTrack:
        """Measure one clip ``[channels, N]`` on a codec's frame grid.

        Parameters
        ----------
        audio
            float ``[channels, N]``, N >= 1.
        sample_rate_hz, frame_rate_hz
            Frame k covers the samples ``[k * hop, (k + 1) * hop)``, hop = sample rate / frame rate (may be fractional).
        frames
            T; defaults to ``ceil(N / hop)``. Frames beyond the audio are not valid.

        Raises
        ------
        AudioError
            If the audio has another shape, no samples, or samples that are not finite.
        """
        return self.measure_batch(check_audio(audio, "channels, samples")[None], sample_rate_hz, frame_rate_hz, frames)[
            0
        ]

    def measure_batch(
        self, audio: npt.NDArray[np.floating], sample_rate_hz: float, frame_rate_hz: float, frames: int | None = None
    ) -> PropertyTrack:
        """Measure clips of one length ``[B, channels, N]``; the same numbers as ``measure`` on each, in less time."""
        checked = check_audio(audio, "batch, channels, samples")
        return self.track(checked, frame_grid(checked.shape[-1], sample_rate_hz, frame_rate_hz, frames))

    def bins(self, values: npt.ArrayLike, kind: BinKind = "equal_width") -> Bins:
        """Fit the classes a probe predicts on the valid ``values`` of a data set."""
        if self.dimensions is not None:
            raise ValueError(f"{self.name} is a vector property and has no classes; use it as a regression target")
        fit = {"equal_width": Bins.equal_width, "quantile": Bins.quantile}[kind]
        return fit(values, self.bin_count)

    def distance(self, a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Absolute difference in ``unit``; for vectors the root mean square over D, each in steps of ``scale``."""
        difference = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
        if self.dimensions is None:
            return np.asarray(difference)
        return np.asarray(np.sqrt(np.square(difference / (self.scale or 1)).mean(axis=-1)))

    def agrees(self, a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether two values, or arrays of them, count as the same: within ``tolerance``; False where either is NaN."""
        return np.asarray(self.distance(a, b) <= self.tolerance)
