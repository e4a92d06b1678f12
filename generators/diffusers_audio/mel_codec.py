"""The codec of the AudioLDM family: an image autoencoder over log-mel spectrograms, and a vocoder."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from librosa.filters import mel as mel_filters
from torch import Tensor
from torch.nn import functional as F

from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.diffusers_audio import codec_id
from generators.diffusers_audio.layout import Layout
from generators.diffusers_audio.offload import device_of, weights_of
from generators.hashing import tensors_sha256

WINDOW_HOPS = 6.4
"""Length of the spectrogram's window in hops: 1024 samples at AudioLDM's 160."""
QUIETEST = 1e-5
"""Magnitudes below it count as it, before the logarithm."""


class MelCodec(Codec):
    """Latent images ``[c, T, f]`` seen as T frames of c * f channels (AudioLDM, arXiv 2301.12503).

    Parameters
    ----------
    vae
        ``AutoencoderKL`` of one channel, over spectrograms of time by frequency.
    vocoder
        ``SpeechT5HifiGan``.
    """

    channels = 1

    def __init__(self, vae: Any, vocoder: Any) -> None:
        self.id = codec_id(vae, vocoder)
        self.vae = vae.eval().requires_grad_(False)
        self.vocoder = vocoder.eval().requires_grad_(False)
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self._mel_hop = math.prod(vocoder.config.upsample_rates)
        self._bands = int(vocoder.config.model_in_dim)
        self._image = (int(vae.config.latent_channels), self._bands // factor)
        self.sample_rate_hz = int(vocoder.config.sampling_rate)
        self.hop_samples = factor * self._mel_hop
        self.latent_channels = math.prod(self._image)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over the weights of both networks."""
        parts = {"vae": self.vae, "vocoder": self.vocoder}
        return tensors_sha256({f"{part}.{k}": v for part, net in parts.items() for k, v in weights_of(net).items()})

    @torch.no_grad()
    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` into the posterior's means; the end is padded with silence."""
        audio = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=1)
        audio = F.pad(audio, (0, -audio.shape[-1] % self.hop_samples))
        log_mel = self._log_mel(audio[:, 0].cpu()).to(device_of(self.vae), self.vae.dtype)
        means = self.vae.encode(log_mel).latent_dist.mean * self.vae.config.scaling_factor
        return self._layout(means.shape[2]).to_frames(means.float())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]`` into float32 audio ``[B, 1, T * hop]``, not normalised."""
        images = self._layout(latents.shape[1]).from_frames(latents).to(device_of(self.vae), self.vae.dtype)
        log_mel = self.vae.decode(images / self.vae.config.scaling_factor).sample
        audio = self.vocoder(log_mel.squeeze(1)).float()
        samples = latents.shape[1] * self.hop_samples
        # Some kernels of vocoders make a few samples more or fewer than the hop says.
        return F.pad(audio, (0, max(samples - audio.shape[-1], 0)))[:, None, :samples]

    def _layout(self, frames: int) -> Layout:
        channels, rows = self._image
        return Layout("image", (channels, frames, rows))

    def _log_mel(self, audio: Tensor) -> Tensor:
        """Log magnitudes ``[B, 1, N / mel hop, bands]`` of audio ``[B, N]``."""
        n_fft = round(WINDOW_HOPS * self._mel_hop)
        lead = (n_fft - self._mel_hop) // 2
        padded = F.pad(audio, (lead, n_fft - self._mel_hop - lead))
        window = torch.hann_window(n_fft)
        spectrum = torch.stft(padded, n_fft, self._mel_hop, window=window, center=False, return_complex=True).abs()
        filters = torch.from_numpy(mel_filters(sr=self.sample_rate_hz, n_fft=n_fft, n_mels=self._bands))
        return (filters @ spectrum).clamp(min=QUIETEST).log().transpose(1, 2)[:, None]
