"""A generator with the shapes of another one whose network does next to nothing: what is left is the cost of watching.

A real network varies by more from run to run than tracing costs; here milliseconds can be told apart on a busy machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from generators.codecs.base import Codec
from generators.flow import FlowGenerator
from generators.hashing import tensors_sha256
from generators.requests import RequestRules


class Block(nn.Module):
    """Makes a new tensor, as a real block does, so that keeping it takes memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Add 1."""
        return x + 1


class IdleNetwork(nn.Module):
    """``depth`` blocks of ``width`` in a row; the velocity is 0."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.transformer_blocks = nn.ModuleList([Block() for _ in range(depth)])

    def forward(self, x_t: Tensor, t: float) -> Tensor:
        """Run the blocks on zeros of their width."""
        hidden = x_t.new_zeros(*x_t.shape[:2], self.width)
        for block in self.transformer_blocks:
            hidden = block(hidden)
        return torch.zeros_like(x_t)


class SilentCodec(Codec):
    """Decodes everything to silence."""

    id = "silent"
    weights_sha256 = tensors_sha256({})

    def __init__(self, like: Codec) -> None:
        self.sample_rate_hz, self.channels = like.sample_rate_hz, like.channels
        self.hop_samples, self.latent_channels = like.hop_samples, like.latent_channels

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Give latents of 0."""
        return audio.new_zeros(len(audio), -(-audio.shape[-1] // self.hop_samples), self.latent_channels)

    def decode(self, latents: Tensor) -> Tensor:
        """Give silence."""
        return latents.new_zeros(len(latents), self.channels, latents.shape[1] * self.hop_samples)


class IdleGenerator(FlowGenerator):
    """Samples as flow-matching generators do, with nothing to compute."""

    id = "idle"

    def __init__(self, codec: Codec, rules: RequestRules, depth: int, width: int) -> None:
        self.codec, self.rules = SilentCodec(codec), rules
        self.denoiser = IdleNetwork(depth, width)

    @classmethod
    def from_pretrained(
        cls, path: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Raise: there are no weights."""
        raise NotImplementedError

    def save_pretrained(self, directory: str | Path) -> None:
        """Raise: there are no weights."""
        raise NotImplementedError
