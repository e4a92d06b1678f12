"""The frame grid that properties share with a codec, and the cutting of audio into windows on it.

Frame k covers the samples ``[k * hop, (k + 1) * hop)``, hop = sample rate / frame rate, which need not be a whole
number. Windows longer than a frame are centred on its centre ``(k + 0.5) * hop`` and see zeros outside the audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class AudioError(ValueError):
    """Audio that no property can be measured on; the message says what is wrong with it."""


@dataclass(frozen=True)
class FrameGrid:
    """Where each frame lies in a stretch of audio."""

    samples: int
    """N, samples per channel."""
    sample_rate_hz: float
    frame_rate_hz: float
    frames: int
    """T; may be more than fit into the audio (the rest is marked invalid) or fewer (the rest is not looked at)."""

    @property
    def hop_samples(self) -> float:
        """Samples per frame, possibly fractional."""
        return self.sample_rate_hz / self.frame_rate_hz

    def inside(self) -> npt.NDArray[np.bool_]:
        """``[T]``: whether the frame holds at least one sample of the audio."""
        return np.asarray(np.rint(np.arange(self.frames) * self.hop_samples) < self.samples)

    def bounds(self, length: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First sample, and one past the last, of windows of ``length`` samples centred on the frames: two ``[T]``."""
        first = (np.arange(self.frames) + 0.5) * self.hop_samples - length / 2
        return np.rint(first).astype(np.int64), np.rint(first + length).astype(np.int64)


def frame_grid(samples: int, sample_rate_hz: float, frame_rate_hz: float, frames: int | None = None) -> FrameGrid:
    """Lay the grid over ``samples`` samples; ``frames`` defaults to ``ceil(samples / hop)``, as codecs have it."""
    for name, value in (("sample_rate_hz", sample_rate_hz), ("frame_rate_hz", frame_rate_hz)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if frames is None:
        frames = math.ceil(round(samples * frame_rate_hz / sample_rate_hz, 6))
    elif frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    return FrameGrid(samples, sample_rate_hz, frame_rate_hz, frames)


def check_audio(audio: npt.NDArray[np.floating], dimensions: str) -> Array:
    """Return ``audio`` as float32 after checking its shape and values. Raises ``AudioError``."""
    expected = len(dimensions.split(","))
    if not isinstance(audio, np.ndarray) or audio.ndim != expected or not np.issubdtype(audio.dtype, np.floating):
        what = f"{audio.dtype} array of shape {audio.shape}" if isinstance(audio, np.ndarray) else type(audio).__name__
        raise AudioError(f"audio must be a float array [{dimensions}], got {what}")
    if audio.size == 0:
        raise AudioError(f"audio of shape {audio.shape} [{dimensions}] is empty: there is nothing to measure")
    finite = np.isfinite(audio)
    if not finite.all():
        bad = audio.size - int(finite.sum())
        raise AudioError(f"audio holds {bad} samples that are NaN or infinite; repair or leave out the clip")
    return audio.astype(np.float32, copy=False)


def mono(audio: Array) -> Array:
    """Mean over channels of ``[B, channels, N]``: ``[B, N]``."""
    return audio[:, 0] if audio.shape[1] == 1 else np.asarray(audio.mean(axis=1))


def per_frame(
    signal: Array, grid: FrameGrid, length: int, reduce: Callable[[Array], Array], block_frames: int = 64
) -> Array:
    """Apply ``reduce`` to the window of every frame, a block at a time so that memory stays bounded.

    Parameters
    ----------
    signal
        float32 ``[B, N]``.
    grid
        Grid over the N samples.
    length
        Window length in samples.
    reduce
        ``[n, length] -> [n, ...]``.

    Returns
    -------
    ``[B, T, ...]``.
    """
    batch, samples = signal.shape
    starts = np.clip(grid.bounds(length)[0], -length, samples)
    padded = np.pad(signal, ((0, 0), (length, length)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)
    clips, positions = np.divmod(np.arange(batch * grid.frames), grid.frames)
    blocks = [
        reduce(windows[clips[i : i + block_frames], starts[positions[i : i + block_frames]] + length])
        for i in range(0, len(clips), block_frames)
    ]
    flat = np.concatenate(blocks)
    return flat.reshape(batch, grid.frames, *flat.shape[1:])
