"""Cutting a long sequence into overlapping windows, as DiffRhythm decodes and encodes its songs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

WINDOW_FRAMES = 128
OVERLAP_FRAMES = 32


class Window(NamedTuple):
    """Frames that are computed together, and those of them that are kept."""

    start: int
    """First frame that is computed."""
    stop: int
    """One past the last."""
    keep_start: int
    """First frame that is kept."""
    keep_stop: int
    """One past the last; the next window's ``keep_start``."""


def windows(frames: int) -> list[Window]:
    """Cut ``frames`` into windows of 128 at every 96th frame, the last one placed against the end.

    A window loses 16 frames at each inner edge, where it knows too little of what is around, save that the last one is
    kept from there to its end. There is no cross-fade.
    """
    hop, edge = WINDOW_FRAMES - OVERLAP_FRAMES, OVERLAP_FRAMES // 2
    last = max(frames - WINDOW_FRAMES, 0)
    starts = [*range(0, last, hop), last]
    borders = [0, *(start + edge for start in starts[1:]), frames]
    return [
        Window(start, min(start + WINDOW_FRAMES, frames), keep_start, keep_stop)
        for start, keep_start, keep_stop in zip(starts, borders[:-1], borders[1:], strict=True)
    ]


def map_windows(function: Callable[[Tensor], Tensor], values: Tensor, *, step_in: int = 1, step_out: int = 1) -> Tensor:
    """Apply a function of sequences window by window.

    Parameters
    ----------
    function
        Maps ``[B, C, t * step_in]`` to ``[B, C', t * step_out]``.
    values
        ``[B, C, T * step_in]``.
    step_in, step_out
        Values per frame on either side (a codec's hop on the side of the audio).
    """
    parts = []
    for start, stop, keep_start, keep_stop in windows(values.shape[-1] // step_in):
        part = function(values[..., start * step_in : stop * step_in])
        parts.append(part[..., (keep_start - start) * step_out : (keep_stop - start) * step_out])
    return torch.cat(parts, dim=-1)
