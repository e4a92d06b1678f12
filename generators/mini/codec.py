"""``mini``'s codec: four spectrogram columns in 64 numbers, 21.5 times a second.

The linear part is a principal component analysis of the stacked log-magnitude spectrogram; small convolutional networks
on both sides learn what it misses. Sound comes back by phase reconstruction, so no phase is stored.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.hashing import tensors_sha256
from generators.mini.spectrogram import BINS, HOP, STACK, invert, linear, log_magnitude
from generators.mini.weights import load_strictly, save_half

LATENT_CHANNELS = 64
FEATURES = STACK * BINS
WEIGHTS = Path(__file__).parent / "checkpoint" / "codec.safetensors"


class ConvNeXt(nn.Module):
    """Residual block over time ``[B, T, D]``: depthwise convolution, norm, widening MLP (Liu et al., CVPR 2022)."""

    def __init__(self, dim: int, expansion: int = 3, kernel: int = 5) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, dim * expansion)
        self.narrow = nn.Linear(dim * expansion, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus what the block adds."""
        h = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        added: Tensor = self.narrow(F.gelu(self.widen(h)))
        return x + added


def _network(d_in: int, width: int, depth: int, d_out: int) -> nn.Sequential:
    """Build ConvNeXt blocks between two linear layers; starts as the zero function."""
    layers = [nn.Linear(d_in, width), *(ConvNeXt(width) for _ in range(depth)), nn.LayerNorm(width)]
    last = nn.Linear(width, d_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


class CodecNetwork(nn.Module):
    """Stacked log-magnitudes ``[B, T, FEATURES]`` <-> latents ``[B, T, 64]``."""

    mean: Tensor
    analysis: Tensor
    synthesis: Tensor

    def __init__(self, encoder_width: int = 256, decoder_width: int = 384) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("analysis", torch.zeros(FEATURES, LATENT_CHANNELS))
        self.register_buffer("synthesis", torch.zeros(LATENT_CHANNELS, FEATURES))
        self.encoder = _network(FEATURES, encoder_width, 2, LATENT_CHANNELS)
        self.decoder = _network(LATENT_CHANNELS, decoder_width, 3, FEATURES)

    def encode(self, features: Tensor) -> Tensor:
        """Principal components plus the encoder's correction."""
        centred = features - self.mean
        correction: Tensor = self.encoder(centred / 4)
        return centred @ self.analysis + correction

    def decode(self, latents: Tensor) -> Tensor:
        """Linear reconstruction plus the decoder's correction."""
        correction: Tensor = self.decoder(latents)
        return latents @ self.synthesis + self.mean + correction


class MiniCodec(Codec):
    """Mono 22.05 kHz audio <-> latents ``[B, T, 64]``.

    Parameters
    ----------
    network
        The trained network.
    device
        Where to compute.
    """

    id = "mini"
    sample_rate_hz = 22050
    channels = 1
    hop_samples = STACK * HOP
    latent_channels = LATENT_CHANNELS

    def __init__(self, network: CodecNetwork, *, device: str = "cpu") -> None:
        self.network = network.to(device).eval().requires_grad_(False)

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, *, device: str = "cpu") -> Self:
        """Load a file that ``save`` wrote, or the shipped weights. Raises ``CheckpointError``."""
        network = CodecNetwork()
        load_strictly(network, WEIGHTS if path is None else Path(path))
        return cls(network, device=device)

    def save(self, path: str | Path) -> None:
        """Write the weights as one safetensors file."""
        save_half(self.network, Path(path))

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Hex digest over the names, shapes and values of all weights."""
        return tensors_sha256(self.network.state_dict())

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` into latents; channels are averaged, the end is padded with silence."""
        audio = audio.to(self.network.mean.device)
        mono = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=1)[:, 0]
        mono = F.pad(mono, (0, -mono.shape[-1] % self.hop_samples))
        return self.network.encode(stack(log_magnitude(mono)))

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, 64]`` into audio ``[B, 1, T * 1024]``."""
        latents = latents.to(self.network.mean.device, torch.float32)
        return invert(unstack(self.network.decode(latents)))[:, None]

    @torch.no_grad()
    def level_db(self, latents: Tensor) -> Tensor:
        """Return the level ``[B, T]`` of latents ``[B, T, 64]``, up to a constant: the power of their spectrogram.

        No phases are found for it, so it takes a small part of the time of ``decode``.
        """
        latents = latents.to(self.network.mean.device, torch.float32)
        power = linear(unstack(self.network.decode(latents))).square().sum(-1)
        frame_power = power.reshape(len(latents), -1, STACK).mean(-1)
        return 10 * torch.log10(frame_power.clamp_min(1e-12))


def stack(log_mag: Tensor) -> Tensor:
    """``[B, 4 T, BINS]`` -> ``[B, T, FEATURES]``."""
    return log_mag.reshape(log_mag.shape[0], -1, FEATURES)


def unstack(features: Tensor) -> Tensor:
    """``[B, T, FEATURES]`` -> ``[B, 4 T, BINS]``."""
    return features.reshape(features.shape[0], -1, BINS)
