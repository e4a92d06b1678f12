"""EnCodec's two networks and its codebooks, built by the ``encodec`` package or by transformers' port of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from generators.codecs.encodec.names import canonical, codebook_name
from generators.codecs.encodec.package import build_coders, find_modules
from generators.codecs.encodec.settings import EncodecSettings
from generators.networks import check_tensors

Backend = Literal["encodec", "transformers"]


@dataclass(frozen=True)
class Coders:
    """A model's parts. Both backends compute the same numbers; tensors have transformers' names."""

    encoder: nn.Module
    """Audio ``[B, channels, N]`` -> ``[B, C, T]``."""
    decoder: nn.Module
    """``[B, C, T]`` -> audio ``[B, channels, T * hop]``."""
    codebooks: Tensor
    """``[K, V, C]``."""

    def state(self) -> dict[str, Tensor]:
        """Every tensor, by its name in transformers."""
        books = {codebook_name(index): rows for index, rows in enumerate(self.codebooks)}
        return {**_named("encoder", self.encoder), **_named("decoder", self.decoder), **books}

    def to(self, device: str) -> Coders:
        """Move everything."""
        return Coders(self.encoder.to(device), self.decoder.to(device), self.codebooks.to(device))


def load_coders(
    settings: EncodecSettings, state: Mapping[str, Tensor], file: Path, *, backend: Backend | None = None
) -> Coders:
    """Build the networks and fill them with the tensors of ``state``, checked one by one.

    ``backend`` None takes the ``encodec`` package where there is one. ``file`` is for messages. Raises
    ``CheckpointError``, and ``ValueError`` for a backend that is not installed.
    """
    modules = None if backend == "transformers" else find_modules()
    if backend == "encodec" and modules is None:
        raise ValueError("the encodec package is not installed; pip install encodec, or leave backend to transformers")
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are replaced, so leave no other trace of them
        encoder, decoder = build_coders(modules, settings) if modules is not None else _transformers(settings)
    size = settings.codebook_size, settings.latent_channels
    books = {codebook_name(index): torch.empty(size) for index in range(settings.num_codebooks)}
    networks = {**_named("encoder", encoder), **_named("decoder", decoder)}
    check_tensors(state, {**networks, **books}, file)
    with torch.no_grad():
        for name, tensor in networks.items():
            tensor.copy_(state[name])
    codebooks = torch.stack([state[name].float() for name in books])
    return Coders(encoder.eval().requires_grad_(False), decoder.eval().requires_grad_(False), codebooks)


def _transformers(settings: EncodecSettings) -> tuple[nn.Module, nn.Module]:
    """Make both networks with random weights."""
    from transformers.models.encodec.configuration_encodec import EncodecConfig
    from transformers.models.encodec.modeling_encodec import EncodecDecoder, EncodecEncoder

    config = EncodecConfig(
        audio_channels=settings.channels,
        hidden_size=settings.latent_channels,
        num_filters=settings.num_filters,
        upsampling_ratios=list(settings.strides),
        norm_type=settings.norm,
        use_causal_conv=settings.causal,
    )
    return EncodecEncoder(config), EncodecDecoder(config)


def _named(part: str, network: nn.Module) -> dict[str, Tensor]:
    """Tensors of a network, sharing its memory."""
    return {canonical(f"{part}.{name}"): tensor for name, tensor in network.state_dict().items()}
