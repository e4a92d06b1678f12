"""Starting noise from seeds, the same alone and in a batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def streams(seeds: Iterable[int]) -> list[torch.Generator]:
    """Make one random stream on the CPU per seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def noise_from(generators: Iterable[torch.Generator], frames: int, channels: int) -> Tensor:
    """Draw ``x_t[0]`` ``[B, T, C]`` float32 on the CPU, one item per stream."""
    return torch.stack([torch.randn(frames, channels, generator=generator) for generator in generators])


def starting_noise(seeds: Iterable[int], frames: int, channels: int) -> Tensor:
    """Draw ``x_t[0]`` ``[B, T, C]`` float32 on the CPU, one stream per seed, so that a batch equals its singles."""
    return noise_from(streams(seeds), frames, channels)
