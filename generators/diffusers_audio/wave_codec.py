"""The one-dimensional autoencoders of diffusers: Oobleck, SAME and LongCat's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.diffusers_audio import codec_id
from generators.diffusers_audio.offload import device_of, weights_of
from generators.hashing import tensors_sha256


@dataclass(frozen=True)
class WaveVae:
    """What differs between them. Names are those of the configs."""

    rate: str
    audio_channels: str
    latent_channels: str
    hop: Callable[[Any], int]
    """Samples per frame of a network."""
    means: Callable[[Any, Tensor], Tensor]
    """Encode audio to the most probable latents, without drawing from the posterior."""


VAES: dict[str, WaveVae] = {
    "AutoencoderOobleck": WaveVae(
        "sampling_rate",
        "audio_channels",
        "decoder_input_channels",
        lambda vae: vae.hop_length,
        lambda vae, audio: vae.encode(audio).latent_dist.mean,
    ),
    "AutoencoderSAME": WaveVae(
        "sampling_rate",
        "audio_channels",
        "latent_dim",
        lambda vae: vae.downsampling_ratio,
        lambda vae, audio: vae.encode(audio).latents,
    ),
    "LongCatAudioDiTVae": WaveVae(
        "sample_rate",
        "in_channels",
        "latent_dim",
        lambda vae: vae.config.downsampling_ratio,
        lambda vae, audio: vae.encode(audio, sample_posterior=False).latents,
    ),
}
"""By class name."""


class WaveCodec(Codec):
    """An autoencoder between waveforms and ``[B, C, T]``, as it came with a pipeline.

    What a pipeline does after decoding (ACE-Step scales to a fixed peak, Stable Audio 3 clips) is left out, so that the
    loudness the model chose can be measured.

    Parameters
    ----------
    vae
        One of ``VAES``.
    """

    def __init__(self, vae: Any) -> None:
        self._kind = VAES[type(vae).__name__]
        self.id = codec_id(vae)
        self.vae = vae.eval().requires_grad_(False)
        self.sample_rate_hz = int(vae.config[self._kind.rate])
        self.channels = int(vae.config[self._kind.audio_channels])
        self.hop_samples = int(self._kind.hop(vae))
        self.latent_channels = int(vae.config[self._kind.latent_channels])

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over the network's weights."""
        return tensors_sha256(weights_of(self.vae))

    @torch.no_grad()
    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` into the posterior's means; the end is padded with silence."""
        audio = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=self.channels)
        audio = F.pad(audio, (0, -audio.shape[-1] % self.hop_samples)).to(device_of(self.vae), self.vae.dtype)
        return self._kind.means(self.vae, audio).float().transpose(1, 2)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]`` into float32 audio ``[B, channels, T * hop]``, neither normalised nor clipped."""
        audio: Tensor = self.vae.decode(latents.to(device_of(self.vae), self.vae.dtype).transpose(1, 2)).sample
        return audio.float()
