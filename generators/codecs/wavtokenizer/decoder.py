"""WavTokenizer's decoder: backbone, then a spectrum per frame, then audio (Vocos, Siuzdak, arXiv 2306.00814)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.codecs.wavtokenizer.backbone import Backbone
from generators.codecs.windows import map_windows

MAX_MAGNITUDE = 100.0
WINDOW_FRAMES = 2048
"""Frames whose spectra are computed at once, so that memory does not grow with all activations of a long signal."""


class InverseSTFT(nn.Module):
    """Overlap-add of windowed frames, hop samples from each: ``[B, n_fft / 2 + 1, T] -> [B, T * hop]``."""

    window: Tensor

    def __init__(self, n_fft: int, hop_samples: int) -> None:
        super().__init__()
        self.n_fft, self.hop_samples = n_fft, hop_samples
        self.register_buffer("window", torch.hann_window(n_fft))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Transform complex spectra back; (n_fft - hop) / 2 samples are cut off on both sides."""
        frames = torch.fft.irfft(spectrum, self.n_fft, dim=1) * self.window[:, None]
        squared = self.window.square()[None, :, None].expand(1, -1, spectrum.shape[-1])
        cut = (self.n_fft - self.hop_samples) // 2
        audio, envelope = (
            self._add(part)[:, cut : part.shape[-1] * self.hop_samples + cut] for part in (frames, squared)
        )
        return audio / envelope

    def _add(self, frames: Tensor) -> Tensor:
        """``[B, n_fft, T]`` -> ``[B, (T - 1) * hop + n_fft]``."""
        size = (frames.shape[-1] - 1) * self.hop_samples + self.n_fft
        return F.fold(frames, (1, size), (1, self.n_fft), stride=(1, self.hop_samples))[:, 0, 0]


class Head(nn.Module):
    """Log-magnitude and phase of every frame from its D numbers, then audio."""

    def __init__(self, dim: int, n_fft: int, hop_samples: int) -> None:
        super().__init__()
        self.out = nn.Linear(dim, n_fft + 2)
        self.istft = InverseSTFT(n_fft, hop_samples)

    def forward(self, h: Tensor) -> Tensor:
        """Turn ``[B, T, D]`` into audio ``[B, T * hop]``; magnitudes are at most 100."""
        log_magnitude, phase = self.out(h).transpose(1, 2).chunk(2, dim=1)
        magnitude = log_magnitude.exp().clamp(max=MAX_MAGNITUDE)
        audio: Tensor = self.istft(magnitude * torch.complex(phase.cos(), phase.sin()))
        return audio


class Decoder(nn.Module):
    """Latents -> audio.

    Parameters
    ----------
    channels
        Of the latents, C.
    dim, inner_dim
        Width of the backbone and inside its ConvNeXt blocks.
    blocks
        How many of those.
    rows
        Rows of the adaptive norms; None for plain ones.
    n_fft, hop_samples
        Of the inverse transform.
    """

    def __init__(
        self, channels: int, dim: int, inner_dim: int, blocks: int, rows: int | None, n_fft: int, hop_samples: int
    ) -> None:
        super().__init__()
        self.backbone = Backbone(channels, dim, inner_dim, blocks, rows)
        self.head = Head(dim, n_fft, hop_samples)
        self.hop_samples = hop_samples
        self.reach_frames = self.backbone.reach_frames + -(-n_fft // hop_samples)

    def forward(self, latents: Tensor, row: int, *, size: int = WINDOW_FRAMES) -> Tensor:
        """Turn ``[B, C, T]`` into audio ``[B, 1, T * hop]``, with one row of the adaptive norms."""

        def audio(h: Tensor) -> Tensor:
            found: Tensor = self.head(self.backbone.local(h, row))
            return found[:, None]

        h = self.backbone.whole(latents)
        return map_windows(audio, h, step_out=self.hop_samples, size=size, overlap=2 * self.reach_frames)
