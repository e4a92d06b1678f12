"""What stands before the trunk: scalars, text tokens and the mix of all inputs, each as an embedding.

Module and parameter names are those of the published checkpoints. Shape letters: B batch, T frames,
M latent channels, X text width, K condition width, D trunk width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.diffrhythm.blocks import EPS
from generators.diffrhythm.positions import position_table

SCALAR_FREQUENCIES = 128


class ScalarEmbedding(nn.Module):
    """Embed a number in [0, 1] (time, start, duration): 128 sines, 128 cosines of ``1000 s``, then a small MLP."""

    def __init__(self, cond_dim: int) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(
            nn.Linear(2 * SCALAR_FREQUENCIES, cond_dim), nn.SiLU(), nn.Linear(cond_dim, cond_dim)
        )

    def forward(self, values: Tensor) -> Tensor:
        """Embed ``values [B]`` as ``[B, K]``; give them in float32, whatever the type of the weights.

        ``1000 s`` is formed in the type of ``values``, which for float16 rounds it to halves, as the original does.
        """
        last = SCALAR_FREQUENCIES - 1
        steps = torch.arange(SCALAR_FREQUENCIES, device=values.device).float()
        angles = (1000 * values).float()[:, None] * torch.exp(-steps * (math.log(10000) / last))
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        output: Tensor = self.time_mlp(waves.to(next(self.parameters()).dtype))
        return output


class GlobalResponseNorm(nn.Module):
    """Weigh channels by their energy over the whole sequence (ConvNeXt V2, arXiv 2301.00808)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, dim))

    def forward(self, h: Tensor) -> Tensor:
        """Norm ``h [B, T, dim]``; the energy is one number per item and channel, so padding would change it."""
        energy = torch.linalg.vector_norm(h.float(), dim=1, keepdim=True)
        weight = energy / (energy.mean(dim=-1, keepdim=True) + EPS)
        output: Tensor = self.gamma * (h * weight.to(h.dtype)) + self.beta + h
        return output


class ConvNeXtBlock(nn.Module):
    """ConvNeXt V2 block over time: depthwise convolution, norm, widen, GELU, response norm, narrow, residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.pwconv1 = nn.Linear(dim, 2 * dim)
        self.grn = GlobalResponseNorm(2 * dim)
        self.pwconv2 = nn.Linear(2 * dim, dim)

    def forward(self, h: Tensor) -> Tensor:
        """Transform ``h [B, T, X]``."""
        inner = self.dwconv(h.transpose(1, 2)).transpose(1, 2)
        inner = self.grn(F.gelu(self.pwconv1(self.norm(inner))))
        output: Tensor = h + self.pwconv2(inner)
        return output


class TextEmbedding(nn.Module):
    """Embed one token per frame; token 0 is the filler. Positions and blocks exist only with ``conv_layers`` > 0."""

    def __init__(self, tokens: int, dim: int, conv_layers: int, max_frames: int) -> None:
        super().__init__()
        self.max_frames = max_frames
        self.text_embed = nn.Embedding(tokens + 1, dim)
        self.text_blocks = nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(conv_layers)))

    def forward(self, text: Tensor) -> Tensor:
        """Embed ``text [B, T]`` (int64) as ``[B, T, X]``. Frames beyond ``max_frames`` share its last position."""
        rows: Tensor = self.text_embed(text)
        if len(self.text_blocks) == 0:
            return rows
        positions = torch.arange(text.shape[1], device=text.device).clamp(max=self.max_frames - 1)
        table = position_table(positions, rows.shape[-1])
        output: Tensor = self.text_blocks(rows + table.to(rows.dtype))
        return output


class ConvPositionEmbedding(nn.Module):
    """Two grouped convolutions that tell a frame about its 61 neighbours (after wav2vec 2.0, arXiv 2006.11477)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1d = nn.Sequential(
            nn.Conv1d(dim, dim, kernel_size=31, padding=15, groups=16),
            nn.Mish(),
            nn.Conv1d(dim, dim, kernel_size=31, padding=15, groups=16),
            nn.Mish(),
        )

    def forward(self, h: Tensor) -> Tensor:
        """Transform ``h [B, T, D]``."""
        output: Tensor = self.conv1d(h.transpose(1, 2)).transpose(1, 2)
        return output


class InputEmbedding(nn.Module):
    """Mix noisy latents and all conditions into the stream that enters block 0."""

    def __init__(self, mel_dim: int, text_dim: int, cond_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(2 * mel_dim + text_dim + 2 * cond_dim, dim)
        self.conv_pos_embed = ConvPositionEmbedding(dim)

    def forward(self, x: Tensor, cond: Tensor, text: Tensor, style: Tensor, c: Tensor) -> Tensor:
        """Mix ``x, cond [B, T, M]``, ``text [B, T, X]``, ``style, c [B, K]`` into ``[B, T, D]``."""
        frames = x.shape[1]
        style, c = (vector[:, None].expand(-1, frames, -1) for vector in (style, c))
        h = self.proj(torch.cat([x, cond, text, style, c], dim=-1))
        output: Tensor = h + self.conv_pos_embed(h)
        return output
