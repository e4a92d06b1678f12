"""Running EnCodec's SEANet coders on signals of any length without memory growing with every activation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from generators.codecs.windows import stream_windows

WINDOW_FRAMES = 2048
"""Frames computed at once: 27 s at 75 Hz. What fits into one window is computed as the original does."""


def run(coder: nn.Module, x: Tensor, *, step_in: int = 1, step_out: int = 1, size: int = WINDOW_FRAMES) -> Tensor:
    """Apply an encoder ``[B, channels, N] -> [B, C, T]`` or a decoder ``[B, C, T] -> [B, channels, T * hop]``.

    All layers but the LSTM are convolutions that reach less than 16 frames, so a longer signal is computed in
    overlapping windows before and after the LSTM, which carries its state on. The result is that of the whole signal
    at once, up to rounding; what is between the layers is held for two windows, however long the signal is.

    Parameters
    ----------
    coder
        ``SEANetEncoder``, ``SEANetDecoder`` (package ``encodec``), ``EncodecEncoder`` or ``EncodecDecoder``
        (transformers). One with group norm, which needs the whole signal, is never cut.
    x
        Input.
    step_in, step_out
        Values per frame: the hop on the side of the audio.
    size
        Window in frames.
    """
    frames = -(-x.shape[-1] // step_in)
    if frames <= size or any(isinstance(part, nn.GroupNorm) for part in coder.modules()):
        result: Tensor = coder(x)
        return result
    layers = list(next(coder.children()))  # type: ignore[call-overload]
    recurrent = next(n for n, layer in enumerate(layers) if hasattr(layer, "lstm"))
    before, after = layers[:recurrent], layers[recurrent + 1 :]
    parts = stream_windows(lambda part: _chain(before, part), [x], frames, step_in=step_in, size=size)
    parts = _carry(layers[recurrent].lstm, parts)
    parts = stream_windows(lambda part: _chain(after, part), parts, frames, step_out=step_out, size=size)
    return torch.cat(list(parts), dim=-1)


def _chain(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _carry(lstm: nn.LSTM, parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """Parts ``[B, C, n]`` of a sequence, plus what the LSTM makes of it."""
    state = None
    for part in parts:
        x = part.permute(2, 0, 1)
        y, state = lstm(x, state)
        yield (y + x).permute(1, 2, 0)
