"""EnCodec: the encoder's continuous output as latents, and its codes."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from generators.base import CheckpointError
from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.codecs.checkpoints import fetch, read_state
from generators.codecs.discrete import DiscreteCodec
from generators.codecs.encodec.coders import Backend, Coders, load_coders
from generators.codecs.encodec.names import rename
from generators.codecs.encodec.ready import model_parts
from generators.codecs.encodec.settings import EncodecSettings, read_config, read_settings
from generators.codecs.scale_channel import ScaleChannelCodec
from generators.codecs.scales import scales_of, with_scales
from generators.codecs.seanet import run
from generators.hashing import tensors_sha256
from generators.networks import SETTINGS_FILE

HUB_ID = "facebook/encodec_24khz"
HUB_WEIGHTS = "model.safetensors"
SILENCE_SCALE = 1e-8
"""Added to every segment's loudness, so that silence divides by something."""


class Encodec(DiscreteCodec):
    """EnCodec (arXiv 2210.13438) with the published weights or others of its kind, in float32.

    The 24 kHz model works on the whole signal and gives ``ceil(N / hop)`` frames. The 48 kHz model works on segments
    of a second that overlap by 1 %: their frames stand one after the other, so there are 1 % more, and the audio they
    decode to is that much shorter than frames times hop. It also brings every segment to one loudness; its latents and
    codes therefore carry their ``scales`` along (``generators.codecs.scales``).

    Parameters
    ----------
    coders
        The networks, with their codebooks.
    settings
        What they were built from.
    bandwidth_kbps
        How many codebooks are in use; None for all. Continuous latents do not depend on it.
    """

    id = "encodec"

    def __init__(self, coders: Coders, settings: EncodecSettings, *, bandwidth_kbps: float | None = None) -> None:
        self.coders = coders
        self.settings = settings
        self.segments = settings.segments
        self.sample_rate_hz = settings.sample_rate_hz
        self.channels = settings.channels
        self.hop_samples = settings.hop_samples
        self.latent_channels = settings.latent_channels
        used = settings.codebooks_at(bandwidth_kbps)
        self.codebooks = coders.codebooks[:used]
        self.code_counts = range(1 if bandwidth_kbps is None else used, used + 1)

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        *,
        config: str | Path | None = None,
        bandwidth_kbps: float | None = None,
        device: str = "cpu",
        backend: Backend | None = None,
    ) -> Self:
        """Load a checkpoint.

        Parameters
        ----------
        path
            The original's ``.th`` file, a ``.safetensors`` file or a folder in transformers' layout, or a repository of
            the hub such as ``facebook/encodec_48khz``; None for the published 24 kHz model.
        config
            JSON with constructor values; needed for models of other sizes than the published ones.
        bandwidth_kbps
            One of the model's; None for all codebooks.
        device
            Where to compute.
        backend
            ``encodec`` or ``transformers``; None for the former where it is installed.

        Raises
        ------
        CheckpointError
            Names the file, and the tensors that do not fit.
        ValueError
            For a bandwidth the model does not have.
        """
        file, beside = _locate(str(path or HUB_ID))
        state = rename(read_state(file))
        if any(name.startswith("feature_extractor.") for name in state):
            raise CheckpointError(
                f"{file}: holds a WavTokenizer, not an EnCodec model; load it as codec 'wavtokenizer'"
            )
        stated = Path(config) if config is not None else beside
        settings = read_settings(state, {} if stated is None else read_config(stated), file)
        coders = load_coders(settings, state, file, backend=backend)
        return cls(coders.to(device), settings, bandwidth_kbps=bandwidth_kbps)

    @classmethod
    def from_model(cls, model: Any, *, bandwidth_kbps: float | None = None) -> Self:
        """Take a model that is loaded already: ``encodec.EncodecModel`` or ``transformers.EncodecModel``.

        Its networks are used as they are, on their device. Raises ``CheckpointError`` when it is something else.
        """
        coders, settings = model_parts(model)
        return cls(coders, settings, bandwidth_kbps=bandwidth_kbps)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over all tensors that inference reads; the same for both backends."""
        return tensors_sha256(self.coders.state())

    def standalone(self) -> Codec:
        """Return a codec with loudness in a channel of its own, where this one keeps it beside its latents.

        Segments follow one another without overlap there: frames stand on a regular grid, and segments are joined
        without the original's cross-fade of 10 ms.
        """
        if not self.settings.normalize:
            return self
        return ScaleChannelCodec(Encodec(self.coders, replace(self.settings, overlap=0.0)))

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` at any sample rate into continuous latents ``[B, T, C]``."""
        audio = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=self.channels)
        audio = audio.to(self.codebooks.device)
        cuts = self.segments.slices(audio.shape[-1]) if self.segments else [slice(None)]
        parts, scales = [], []
        for cut in cuts:
            part = audio[..., cut]
            if self.settings.normalize:
                scale = part.mean(dim=1).pow(2).mean(dim=-1).sqrt() + SILENCE_SCALE
                part = part / scale[:, None, None]
                scales.append(scale)
            parts.append(run(self.coders.encoder, part, step_in=self.hop_samples))
        latents = torch.cat(parts, dim=-1).transpose(1, 2).contiguous()
        return with_scales(latents, torch.stack(scales, dim=1) if scales else None)

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]``, edited or not, into audio ``[B, channels, N]`` without quantising them.

        N is T * hop, less what segments overlap. Raises ``ValueError`` for frames that make no whole segments.
        """
        self._check_latents(latents)
        scales = scales_of(latents)
        plain = latents.as_subclass(Tensor).to(self.codebooks).transpose(1, 2)
        frames = self.segments.split(plain.shape[-1]) if self.segments else [plain.shape[-1]]
        if scales is not None and scales.shape != (len(plain), len(frames)):
            raise ValueError(f"scales have shape {tuple(scales.shape)}; these latents need {(len(plain), len(frames))}")
        parts = []
        for index, part in enumerate(torch.split(plain, frames, dim=-1)):
            decoded = run(self.coders.decoder, part, step_out=self.hop_samples)
            if scales is not None:
                decoded = decoded * scales[:, index, None, None].to(decoded)
            parts.append(decoded)
        return self.segments.join(parts) if self.segments else parts[0]


def _locate(path: str) -> tuple[Path, Path | None]:
    """Weights file, and the settings file beside it, of what ``from_pretrained`` takes."""
    local = Path(path)
    if local.is_dir():
        return local / HUB_WEIGHTS, local / SETTINGS_FILE
    if local.exists() or local.suffix or path.count("/") != 1:
        return local, None
    return fetch(path, HUB_WEIGHTS), fetch(path, SETTINGS_FILE)
