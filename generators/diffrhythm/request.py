"""What of a request belongs to DiffRhythm alone: style vectors, tokens, sway."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generators.base import CheckpointError, RequestError
from generators.folder import read_tensors
from generators.sampling import time_grid

OPTIONS: dict[str, Any] = {"style_embedding": None, "negative_style": None, "text_tokens": None, "sway": None}
"""Options of a request and their defaults.

``style_embedding``, ``negative_style``: a ``.safetensors`` file with a tensor ``style`` or ``negative_style`` of K
numbers. ``text_tokens``: token ids, one per frame from the first; the other frames are instrumental. ``sway``: bends
the time grid, see ``generators.sampling.time_grid``.
"""


def read_vector(file: str | Path, name: str, size: int) -> Tensor:
    """Read the tensor ``name`` (``[K]`` or ``[1, K]``) of a file as float32 ``[K]``. Raises ``RequestError``."""
    try:
        tensors = read_tensors(Path(file))
    except CheckpointError as error:
        raise RequestError(str(error)) from None
    if name not in tensors:
        raise RequestError(f"{file}: holds no tensor {name!r}; it has {', '.join(sorted(tensors)) or 'none'}")
    vector = tensors[name].float()
    if vector.numel() != size or not vector.isfinite().all():
        raise RequestError(f"{file}: {name} has shape {list(vector.shape)}; give {size} finite numbers")
    return vector.flatten()


def hashed_vector(text: str, size: int) -> Tensor:
    """Draw a unit vector ``[K]`` from a text's SHA-256; it means nothing but is the same every time."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    vector = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = vector / vector.norm()
    return unit


def token_row(tokens: Sequence[int] | None, frames: int) -> Tensor:
    """Lay tokens out on the frames, int64 ``[T]``; 0 (instrumental) where there are none."""
    row = torch.zeros(frames, dtype=torch.int64)
    if tokens is not None:
        row[: len(tokens)] = torch.tensor(list(tokens), dtype=torch.int64)
    return row


def check_options(options: Mapping[str, Any], *, frames: int, num_embeds: int, steps: int) -> None:
    """Check ``text_tokens`` against the song's length and the vocabulary, and ``sway``. Raises ``RequestError``."""
    tokens, sway = options["text_tokens"], options["sway"]
    if tokens is not None:
        if isinstance(tokens, str) or not isinstance(tokens, Sequence) or not all(type(n) is int for n in tokens):
            raise RequestError("text_tokens is not a list of whole numbers; give one token id per frame")
        if len(tokens) > frames:
            raise RequestError(
                f"text_tokens has {len(tokens)} tokens; the song has {frames} frames, give at most as many"
            )
        if tokens and not 0 <= min(tokens) <= max(tokens) <= num_embeds:
            raise RequestError(f"text_tokens runs from {min(tokens)} to {max(tokens)}; ids are 0 to {num_embeds}")
    if sway is not None:
        if isinstance(sway, bool) or not isinstance(sway, int | float) or not math.isfinite(sway):
            raise RequestError(f"sway is {sway!r}; give a number, -1 for more points near the noise")
        times = time_grid(steps, sway)
        if any(t >= t_next for t, t_next in itertools.pairwise(times)):
            raise RequestError(f"sway {sway} makes the time run backwards; give -1 to 1")
