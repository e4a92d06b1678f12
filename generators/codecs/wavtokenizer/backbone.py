"""WavTokenizer's backbone: latents -> what the head turns into spectra.

Shape letters: B batch, T frames, C latent channels, D width. Tensors have the original's names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6
GROUPS = 32
ATTENTION_ENTRIES = 1 << 25
"""Scores of the attention that are computed at once."""
KERNEL = 7


class ResidualBlock(nn.Module):
    """Two convolutions over time ``[B, D, T]``, each after group norm and SiLU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, dim, EPSILON)
        self.conv1 = nn.Conv1d(dim, dim, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, dim, EPSILON)
        self.conv2 = nn.Conv1d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus what the block adds."""
        h = self.conv1(F.silu(self.norm1(x)))
        added: Tensor = self.conv2(F.silu(self.norm2(h)))
        return x + added


class Attention(nn.Module):
    """One head over all frames ``[B, D, T]``, without positions or mask; time grows with T squared, memory with T."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, dim, EPSILON)
        self.q = nn.Conv1d(dim, dim, 1)
        self.k = nn.Conv1d(dim, dim, 1)
        self.v = nn.Conv1d(dim, dim, 1)
        self.proj_out = nn.Conv1d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus what the frames tell one another."""
        h = self.norm(x)
        queries, keys, values = self.q(h), self.k(h), self.v(h)
        rows = max(ATTENTION_ENTRIES // (len(x) * x.shape[-1]), 1)
        read = []
        for block in torch.split(queries, rows, dim=-1):
            scores = torch.bmm(block.transpose(1, 2), keys) * x.shape[1] ** -0.5
            read.append(torch.bmm(values, scores.softmax(dim=-1).transpose(1, 2)))
        added: Tensor = self.proj_out(torch.cat(read, dim=-1))
        return x + added


class AdaptiveNorm(nn.Module):
    """Layer norm over the last axis whose gain and offset are rows of a table."""

    def __init__(self, rows: int, dim: int) -> None:
        super().__init__()
        self.scale = nn.Embedding(rows, dim)
        self.shift = nn.Embedding(rows, dim)

    def forward(self, x: Tensor, row: int) -> Tensor:
        """Normalise ``[..., D]`` with one row."""
        normed = F.layer_norm(x, x.shape[-1:], eps=EPSILON)
        return normed * self.scale.weight[row] + self.shift.weight[row]


class PlainNorm(nn.LayerNorm):
    """Layer norm in the place of an adaptive one."""

    def forward(self, x: Tensor, row: int = 0) -> Tensor:
        """Normalise ``[..., D]``; there are no rows to choose from."""
        return super().forward(x)


def _norm(rows: int | None, dim: int) -> AdaptiveNorm | PlainNorm:
    return AdaptiveNorm(rows, dim) if rows else PlainNorm(dim, EPSILON)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, norm, widening layers, a gain per channel (Liu et al., CVPR 2022)."""

    def __init__(self, dim: int, inner_dim: int, rows: int | None) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        self.norm = _norm(rows, dim)
        self.pwconv1 = nn.Linear(dim, inner_dim)
        self.pwconv2 = nn.Linear(inner_dim, dim)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor, row: int) -> Tensor:
        """Return ``x [B, D, T]`` plus what the block adds."""
        h = self.norm(self.dwconv(x).transpose(1, 2), row)
        added: Tensor = self.gamma * self.pwconv2(F.gelu(self.pwconv1(h)))
        return x + added.transpose(1, 2)


class Backbone(nn.Module):
    """Convolution, residual blocks around one attention, then ConvNeXt blocks."""

    def __init__(self, channels: int, dim: int, inner_dim: int, blocks: int, rows: int | None) -> None:
        super().__init__()
        self.embed = nn.Conv1d(channels, dim, KERNEL, padding=KERNEL // 2)
        self.pos_net = nn.Sequential(
            ResidualBlock(dim),
            ResidualBlock(dim),
            Attention(dim),
            ResidualBlock(dim),
            ResidualBlock(dim),
            nn.GroupNorm(GROUPS, dim, EPSILON),
        )
        self.norm = _norm(rows, dim)
        self.convnext = nn.ModuleList(ConvNeXtBlock(dim, inner_dim, rows) for _ in range(blocks))
        self.final_layer_norm = nn.LayerNorm(dim, EPSILON)

    def whole(self, latents: Tensor) -> Tensor:
        """Run what needs all frames at once: ``[B, C, T] -> [B, D, T]``."""
        h: Tensor = self.pos_net(self.embed(latents))
        return h

    def local(self, h: Tensor, row: int) -> Tensor:
        """Run what reaches ``reach_frames`` to either side: ``[B, D, T] -> [B, T, D]``."""
        h = self.norm(h.transpose(1, 2), row).transpose(1, 2)
        for block in self.convnext:
            h = block(h, row)
        normed: Tensor = self.final_layer_norm(h.transpose(1, 2))
        return normed

    @property
    def reach_frames(self) -> int:
        """Frames on either side that ``local`` looks at."""
        return len(self.convnext) * (KERNEL // 2)
