"""What frames are told about their position.

Phases grow with the position, so they are computed in float32 at any type of the weights, where they are needed: they
are neither parameters nor buffers, and ``.to(dtype)`` cannot round them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Rotary(NamedTuple):
    """Rotary position tables (RoFormer, arXiv 2104.09864)."""

    cos: Tensor
    """float32 ``[T, d]``, the same in both halves of a head."""
    sin: Tensor
    """float32 ``[T, d]``."""

    @classmethod
    def at(cls, positions: Tensor, head_dim: int) -> Rotary:
        """Tables for ``positions [T]``."""
        phases = _phases(positions, head_dim).repeat(1, 2)
        return cls(phases.cos(), phases.sin())

    def rotate(self, x: Tensor) -> Tensor:
        """Rotate queries or keys ``[B, heads, T, d]``, pairing channel k with channel k + d/2."""
        first, second = x.chunk(2, dim=-1)
        return x * self.cos.to(x.dtype) + torch.cat([-second, first], dim=-1) * self.sin.to(x.dtype)


def position_table(positions: Tensor, dim: int) -> Tensor:
    """Float32 ``[T, dim]``: the cosines of all phases of ``positions [T]``, then their sines."""
    phases = _phases(positions, dim)
    return torch.cat([phases.cos(), phases.sin()], dim=-1)


def _phases(positions: Tensor, dim: int) -> Tensor:
    """``position * 10000^(-2k/dim)`` for k = 0 .. dim/2 - 1, float32 ``[T, dim/2]``."""
    exponents = torch.arange(0, dim, 2, device=positions.device).float() / dim
    return torch.outer(positions.float(), 1.0 / 10000.0**exponents)
