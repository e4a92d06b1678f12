"""Starting noise from seeds, the same alone and in a batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def starting_noise(seeds: Iterable[int], frames: int, channels: int) -> Tensor:
    """Draw ``x_t[0]`` ``[B, T, C]`` float32 on the CPU, one generator per seed, so that a batch equals its singles."""
    return torch.stack([torch.randn(frames, channels, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
