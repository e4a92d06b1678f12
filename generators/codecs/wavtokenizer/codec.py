"""WavTokenizer: the encoder's continuous output as latents, and its codes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from generators.base import CheckpointError
from generators.codecs.audio import prepare_audio
from generators.codecs.checkpoints import fetch, read_state
from generators.codecs.discrete import DiscreteCodec
from generators.codecs.encodec.names import codebook_name, rename
from generators.codecs.seanet import run
from generators.codecs.wavtokenizer.decoder import Decoder
from generators.codecs.wavtokenizer.settings import WavTokenizerSettings, read_settings
from generators.hashing import tensors_sha256
from generators.networks import check_tensors

HUB_ID, HUB_WEIGHTS = "novateur/WavTokenizer", "WavTokenizer_small_320_24k_4096.ckpt"
FEATURES = "feature_extractor.encodec."
UNUSED = f"{FEATURES}decoder."
"""A decoder that every checkpoint holds and inference never runs."""


class WavTokenizer(DiscreteCodec):
    """WavTokenizer (arXiv 2408.16532): EnCodec's encoder, not causal, one codebook, a decoder like Vocos.

    Latents are the encoder's output before the codebook; the paper's ``features`` are ``dequantise(codes)``. Decoding
    attends over all frames, so its time grows with the square of the length.

    Parameters
    ----------
    network
        The networks and the codebook.
    settings
        What they were built from.
    bandwidth_id
        Row of the decoder's adaptive norms; the published models are used with row 0. Raises ``ValueError`` for a row
        that is not there.
    """

    id = "wavtokenizer"
    channels = 1
    code_counts = range(1, 2)

    def __init__(self, network: Network, settings: WavTokenizerSettings, *, bandwidth_id: int = 0) -> None:
        if not 0 <= bandwidth_id < (settings.norm_rows or 1):
            raise ValueError(f"bandwidth_id is {bandwidth_id}; this model has 0 to {(settings.norm_rows or 1) - 1}")
        self.network = network.eval().requires_grad_(False)
        self.settings = settings
        self.bandwidth_id = bandwidth_id
        self.sample_rate_hz = settings.sample_rate_hz
        self.hop_samples = settings.hop_samples
        self.latent_channels = settings.latent_channels
        self.codebooks = network.codebook[None]

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        *,
        config: str | Path | None = None,
        bandwidth_id: int = 0,
        device: str = "cpu",
    ) -> Self:
        """Load a published checkpoint or another of its form.

        Parameters
        ----------
        path
            A Lightning ``.ckpt`` file or a ``.safetensors`` file with the same names; None for the published small
            model of 75 frames a second.
        config
            The YAML file it was trained with. Without one, sizes are read off the tensors, and the rate is 24 kHz.
        bandwidth_id
            Row of the decoder's adaptive norms.
        device
            Where to compute.

        Raises
        ------
        CheckpointError
            Names the file, and the tensors that do not fit.
        """
        file = fetch(HUB_ID, HUB_WEIGHTS) if path is None else Path(path)
        state = _inference_state(read_state(file), file)
        settings = read_settings(state, None if config is None else Path(config), file)
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are replaced, so leave no other trace of them
            network = Network(settings)
        targets = network.named_state()
        check_tensors(state, targets, file)
        with torch.no_grad():
            for name, tensor in targets.items():
                tensor.copy_(state[name])
        return cls(network.to(device), settings, bandwidth_id=bandwidth_id)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over all tensors that inference reads."""
        return tensors_sha256(self.network.named_state())

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` at any sample rate into continuous latents ``[B, ceil(N / hop), C]``."""
        audio = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=self.channels)
        latents = run(self.network.encoder, audio.to(self.codebooks.device), step_in=self.hop_samples)
        return latents.transpose(1, 2).contiguous()

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]``, edited or quantised or neither, into audio ``[B, 1, T * hop]``."""
        self._check_latents(latents)
        audio: Tensor = self.network.decoder(latents.to(self.codebooks).transpose(1, 2), self.bandwidth_id)
        return audio


class Network(nn.Module):
    """Encoder, codebook and decoder."""

    codebook: Tensor

    def __init__(self, settings: WavTokenizerSettings) -> None:
        from transformers.models.encodec.configuration_encodec import EncodecConfig
        from transformers.models.encodec.modeling_encodec import EncodecEncoder

        super().__init__()
        self.encoder: nn.Module = EncodecEncoder(
            EncodecConfig(
                hidden_size=settings.latent_channels,
                num_filters=settings.num_filters,
                upsampling_ratios=list(settings.strides),
                use_causal_conv=False,
            )
        )
        self.register_buffer("codebook", torch.zeros(settings.codebook_size, settings.latent_channels))
        self.decoder = Decoder(
            settings.latent_channels,
            settings.dim,
            settings.inner_dim,
            settings.blocks,
            settings.norm_rows,
            settings.n_fft,
            settings.hop_samples,
        )

    def named_state(self) -> dict[str, Tensor]:
        """Tensors, sharing the network's memory, by the names that ``_inference_state`` gives."""
        encoder = {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}
        return {**encoder, codebook_name(0): self.codebook, **self.decoder.state_dict()}


def _inference_state(state: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Tensors that inference reads: the encoder's by their names in transformers, the decoder's by the original's.

    Raises ``CheckpointError`` for a checkpoint of something else.
    """
    if not any(name.startswith(FEATURES) for name in state):
        if any(name.startswith("encoder.") for name in state):
            raise CheckpointError(f"{file}: holds an EnCodec model, not a WavTokenizer; load it as codec 'encodec'")
        raise CheckpointError(f"{file}: holds no WavTokenizer (no {FEATURES}*)")
    inner = {
        name.removeprefix(FEATURES): tensor
        for name, tensor in state.items()
        if name.startswith(FEATURES) and not name.startswith(UNUSED)
    }
    decoder = {name: tensor for name, tensor in state.items() if name.startswith(("backbone.", "head."))}
    return {**rename(inner), **decoder}
