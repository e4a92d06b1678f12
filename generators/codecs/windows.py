"""Cutting a long sequence into overlapping windows, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

WINDOW_FRAMES = 128
OVERLAP_FRAMES = 32
"""As DiffRhythm decodes and encodes its songs."""


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


def windows(frames: int, size: int = WINDOW_FRAMES, overlap: int = OVERLAP_FRAMES) -> list[Window]:
    """Cut ``frames`` into windows of ``size`` that overlap, the last one placed against the end.

    A window loses half an overlap at each inner edge, where it knows too little of what is around, save that the last
    one is kept from there to its end. There is no cross-fade.
    """
    hop, edge = size - overlap, overlap // 2
    last = max(frames - size, 0)
    starts = [*range(0, last, hop), last]
    borders = [0, *(start + edge for start in starts[1:]), frames]
    return [
        Window(start, min(start + size, frames), keep_start, keep_stop)
        for start, keep_start, keep_stop in zip(starts, borders[:-1], borders[1:], strict=True)
    ]


def map_windows(
    function: Callable[[Tensor], Tensor],
    values: Tensor,
    *,
    step_in: int = 1,
    step_out: int = 1,
    size: int = WINDOW_FRAMES,
    overlap: int = OVERLAP_FRAMES,
) -> Tensor:
    """Apply a function of sequences window by window.

    Parameters
    ----------
    function
        Maps ``[B, C, t * step_in]`` to ``[B, C', t * step_out]``.
    values
        ``[B, C, N]``; the last frame may be cut short.
    step_in, step_out
        Values per frame on either side (a codec's hop on the side of the audio).
    size, overlap
        Of the windows, in frames.
    """
    frames = -(-values.shape[-1] // step_in)
    sizes = {"step_in": step_in, "step_out": step_out, "size": size, "overlap": overlap}
    return torch.cat(list(stream_windows(function, [values], frames, **sizes)), dim=-1)


def stream_windows(
    function: Callable[[Tensor], Tensor],
    parts: Iterable[Tensor],
    frames: int,
    *,
    step_in: int = 1,
    step_out: int = 1,
    size: int = WINDOW_FRAMES,
    overlap: int = OVERLAP_FRAMES,
) -> Iterator[Tensor]:
    """Yield what ``map_windows`` joins, for ``frames`` that come in parts; no more of them is held than a window."""
    coming = iter(parts)
    held, at = next(coming), 0
    for start, stop, keep_start, keep_stop in windows(frames, size, overlap):
        held, at = held[..., (start - at) * step_in :], start
        while held.shape[-1] < (stop - start) * step_in and (part := next(coming, None)) is not None:
            held = torch.cat([held, part], dim=-1)
        found = function(held[..., : (stop - start) * step_in])
        yield found[..., (keep_start - start) * step_out : (keep_stop - start) * step_out]
