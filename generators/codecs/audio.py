"""Bringing audio of any rate and channel count to what a codec takes."""

from __future__ import annotations

import soxr
import torch
from torch import Tensor


def prepare_audio(audio: Tensor, sample_rate_hz: int, *, to_hz: int, channels: int) -> Tensor:
    """Resample and mix audio ``[B, channels, N]`` for a codec; return float32 ``[B, channels, M]``, M >= 1.

    Mono is copied to every channel; any other mismatch is averaged to mono first. Raises ``ValueError`` for another
    number of dimensions, no samples, or samples that are not finite.
    """
    if audio.dim() != 3:
        raise ValueError(f"audio has shape {tuple(audio.shape)}; give [batch, channels, samples]")
    if audio.numel() == 0:
        raise ValueError(f"audio of shape {tuple(audio.shape)} is empty; give at least one sample")
    if not torch.isfinite(audio).all():
        raise ValueError("audio holds NaN or infinite samples; repair or skip it")
    if sample_rate_hz <= 0:
        raise ValueError(f"sample_rate_hz is {sample_rate_hz}; give a positive rate")
    audio = audio.float()
    if audio.shape[1] != channels:
        audio = audio.mean(dim=1, keepdim=True).expand(-1, channels, -1)
    if sample_rate_hz == to_hz:
        return audio
    return torch.stack([_resample(item, sample_rate_hz, to_hz) for item in audio])


def _resample(item: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Resample one clip ``[channels, N]``; at least one sample comes out."""
    samples = soxr.resample(item.T.cpu().numpy(), from_hz, to_hz)
    if not len(samples):
        return item[:, :1]
    return torch.from_numpy(samples.T.copy()).to(item.device)
