"""Oobleck weights under stable-audio-tools' names, brought to diffusers' ``AutoencoderOobleck`` one by one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_oobleck import AutoencoderOobleck
from torch import Tensor

from generators.base import CheckpointError
from generators.networks import build

ENCODER_STAGE = ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1")
DECODER_STAGE = ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3")
UNIT = ("snake1", "conv1", "snake2", "conv2")


def load_torchscript(file: Path) -> AutoencoderOobleck:
    """Read the weights of a TorchScript archive such as the published ``vae_model.pt``.

    Loading an archive runs code from it: treat one of unknown origin like a program.

    Raises
    ------
    CheckpointError
        The file is missing, not TorchScript, or holds another model; tensors that do not fit are named.
    """
    if not file.is_file():
        raise CheckpointError(f"{file}: missing")
    try:
        with warnings.catch_warnings():
            # torch deprecates the format, but the published file has no other.
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError:
        raise CheckpointError(f"{file}: not a TorchScript file, or a truncated one; fetch it again") from None
    return from_original(script.state_dict(), file)


def from_original(state: Mapping[str, Tensor], file: Path) -> AutoencoderOobleck:
    """Build the autoencoder whose weights have stable-audio-tools' names, with weight norm folded or not.

    The sizes come from the shapes. ``file`` is for messages. Raises ``CheckpointError``.
    """
    converted = _convert(state)
    try:
        config = _config(converted)
    except (KeyError, IndexError, ZeroDivisionError):
        raise CheckpointError(f"{file}: holds no Oobleck autoencoder with encoder and decoder") from None
    return build_vae(config, converted, file)


def build_vae(settings: Mapping[str, Any], state: Mapping[str, Tensor], file: Path) -> AutoencoderOobleck:
    """Build the autoencoder from diffusers' own settings and tensors. Raises ``CheckpointError``."""
    with warnings.catch_warnings():
        # diffusers uses a kind of weight norm that torch has deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        vae: AutoencoderOobleck = build(AutoencoderOobleck, settings, state, file)
    return vae


def _convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors, reshape Snake's and split folded weights; what is unknown keeps its name."""
    modules = _module_names(_count(state, r"encoder\.layers\.(\d+)\.layers\."))
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        target = f"{modules.get(module, module)}.{leaf}"
        if leaf in ("alpha", "beta"):
            converted[target] = tensor.reshape(1, -1, 1)
        elif leaf == "weight":
            converted[f"{target}_v"] = tensor
            converted[f"{target}_g"] = tensor.flatten(1).norm(dim=1)[:, None, None]
        else:
            converted[target] = tensor
    return converted


def _module_names(stages: int) -> dict[str, str]:
    """Pair every module's original path with diffusers'."""
    names: dict[str, str] = {}
    for coder, stage in (("encoder", ENCODER_STAGE), ("decoder", DECODER_STAGE)):
        for layer, name in ((0, "conv1"), (stages + 1, "snake1"), (stages + 2, "conv2")):
            names[f"{coder}.layers.{layer}"] = f"{coder}.{name}"
        for block in range(stages):
            for i, part in enumerate(stage):
                old, new = f"{coder}.layers.{block + 1}.layers.{i}", f"{coder}.block.{block}.{part}"
                names[old] = new
                names |= {f"{old}.layers.{j}": f"{new}.{leaf}" for j, leaf in enumerate(UNIT)}
    return names


def _config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the constructor's values off the shapes."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    hidden, audio_channels, _ = shapes["encoder.conv1.weight_v"]
    blocks = _count(state, r"encoder\.block\.(\d+)\.")
    downsampling = [shapes[f"encoder.block.{n}.conv1.weight_v"] for n in range(blocks)]
    return {
        "encoder_hidden_size": hidden,
        "downsampling_ratios": [kernel // 2 for _, _, kernel in downsampling],
        "channel_multiples": [channels // hidden for channels, _, _ in downsampling],
        "decoder_channels": shapes["decoder.conv2.weight_v"][1],
        "decoder_input_channels": shapes["decoder.conv1.weight_v"][1],
        "audio_channels": audio_channels,
    }


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Count the different indices in names that begin with ``pattern``."""
    return len({match[1] for match in (re.match(pattern, name) for name in state) if match})
