"""A codec that keeps loudness beside its latents, made one that keeps it in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from generators.codecs.base import Codec
from generators.codecs.scales import ScaledTensor, with_scales

if TYPE_CHECKING:
    from generators.codecs.encodec.codec import Encodec

LOWEST, HIGHEST = -18.5, 4.0
"""Natural logarithms of the least scale (digital silence) and of the most that is decoded (35 dB above full scale)."""


class ScaleChannelCodec(Codec):
    """A normalising EnCodec model with one more channel: the natural logarithm of a segment's scale, in every frame.

    So whatever stores plain vectors, reads loudness off them or edits it needs to know of nothing else. ``decode``
    takes the mean over a segment's frames.

    Parameters
    ----------
    codec
        A model whose segments do not overlap, so that frames stand on a regular grid.
    """

    def __init__(self, codec: Encodec) -> None:
        self.codec = codec
        self.id = codec.id
        self.sample_rate_hz = codec.sample_rate_hz
        self.channels = codec.channels
        self.hop_samples = codec.hop_samples
        self.latent_channels = codec.latent_channels + 1

    @property
    def weights_sha256(self) -> str:
        """As the codec's."""
        return self.codec.weights_sha256

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` into latents ``[B, ceil(N / hop), C]``, loudness in the last channel."""
        latents = self.codec.encode(audio, sample_rate_hz)
        scales = cast(ScaledTensor, latents).scales
        frames = torch.tensor(self._frames(latents.shape[1]), device=scales.device)
        column = scales.log().clamp(min=LOWEST).repeat_interleave(frames, dim=1)
        return torch.cat([latents.as_subclass(Tensor), column[..., None]], dim=-1)

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]``, edited or not, into audio ``[B, channels, T * hop]``."""
        if latents.dim() != 3 or latents.shape[-1] != self.latent_channels or not latents.shape[1]:
            raise ValueError(
                f"latents have shape {tuple(latents.shape)}; give [batch, frames >= 1, {self.latent_channels}]"
            )
        column = torch.split(latents[..., -1], self._frames(latents.shape[1]), dim=1)
        scales = torch.stack([part.mean(dim=1) for part in column], dim=1).clamp(LOWEST, HIGHEST).exp()
        return self.codec.decode(with_scales(latents[..., :-1], scales))

    def _frames(self, frames: int) -> list[int]:
        """Frames of each segment."""
        return self.codec.segments.split(frames) if self.codec.segments else [frames]
