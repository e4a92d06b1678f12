"""The layers of the denoiser's trunk: pre-norm Llama decoder layers and the modulated output norm.

Module and parameter names are those of the published checkpoints. Every layer returns one plain tensor, so that a
forward hook on it sees, and may replace, exactly what the next layer reads. Shape letters: B batch, T frames, D width,
K condition width, H heads, d = D / H.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.diffrhythm.positions import Rotary

EPS = 1e-6


class RMSNorm(nn.Module):
    """Root-mean-square norm (arXiv 1910.07467), normalised in float32, cast back, then multiplied by the weight."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x [..., D]`` over its last axis."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPS)
        return self.weight * wide.to(x.dtype)


class Attention(nn.Module):
    """Multi-head self-attention over all frames, or over the frames up to each one when ``causal``."""

    def __init__(self, dim: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        """Attend within ``x [B, T, D]``."""
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(rotary.rotate(query), rotary.rotate(key), value, is_causal=self.causal)
        output: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(-2))
        return output


class FeedForward(nn.Module):
    """Gated MLP, ``down(SiLU(gate x) * up x)`` (arXiv 2002.05202)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, hidden, bias=False)
        self.up_proj = nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [B, T, D]`` frame by frame."""
        output: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return output


class Block(nn.Module):
    """One decoder layer: ``h += attention(norm(h))``, then ``h += mlp(norm(h))``.

    With ``cond_dim`` given, a linear layer of the conditions shifts, scales and gates both halves (after DiT, arXiv
    2212.09748). It is zero at initialisation and then changes nothing: scale and gate enter as 1 + value.
    """

    def __init__(self, dim: int, heads: int, hidden: int, *, causal: bool = False, cond_dim: int | None = None) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(dim)
        self.self_attn = Attention(dim, heads, causal=causal)
        self.post_attention_layernorm = RMSNorm(dim)
        self.mlp = FeedForward(dim, hidden)
        self.modulation = None if cond_dim is None else zero_(nn.Linear(cond_dim, 6 * dim))

    def forward(self, h: Tensor, rotary: Rotary, modulator: Tensor | None = None) -> Tensor:
        """Transform the stream ``h [B, T, D]``; ``modulator [B, K]`` is read only by a modulated block."""
        if self.modulation is None or modulator is None:
            h = h + self.self_attn(self.input_layernorm(h), rotary)
            output: Tensor = h + self.mlp(self.post_attention_layernorm(h))
            return output
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(modulator)[:, None].chunk(6, dim=-1)
        h = h + (1 + gate_a) * self.self_attn(self.input_layernorm(h) * (1 + scale_a) + shift_a, rotary)
        output = h + (1 + gate_m) * self.mlp(self.post_attention_layernorm(h) * (1 + scale_m) + shift_m)
        return output


class OutputNorm(nn.Module):
    """Layer norm without weights of its own, scaled and shifted by the conditions; plain at initialisation."""

    def __init__(self, dim: int, cond_dim: int) -> None:
        super().__init__()
        self.linear = zero_(nn.Linear(cond_dim, 2 * dim))

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Norm ``h [B, T, D]`` under ``c [B, K]``."""
        scale, shift = self.linear(F.silu(c))[:, None].chunk(2, dim=-1)
        normed = F.layer_norm(h, h.shape[-1:], eps=EPS)
        output: Tensor = normed * (1 + scale) + shift
        return output


def zero_(linear: nn.Linear) -> nn.Linear:
    """Set a linear layer to zero, so that what it adds starts as nothing."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
