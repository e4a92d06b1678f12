"""Folders of the dictionary_learning library: ``ae.pt`` (a state dict) and ``config.json``."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.formats.parts import centred_bias, filled, plain_bias, read_json, setting, take, write_folder
from analysis.sae.matryoshka import MatryoshkaSAE
from analysis.source import Source

_CLASSES = {
    "standard": "AutoEncoder",
    "topk": "AutoEncoderTopK",
    "random": "AutoEncoderTopK",
    "batch_topk": "BatchTopKSAE",
    "matryoshka": "MatryoshkaBatchTopKSAE",
    "jumprelu": "JumpReluAutoEncoder",
}
"""Their class for each of our architectures."""
_ARCHITECTURES = {their: ours for ours, their in _CLASSES.items() if ours != "random"}
_PLAIN = {"W_enc": "W_enc", "b_enc": "b_enc", "W_dec": "W_dec", "b_dec": "b_dec"}
_LINEAR = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight", "b_dec": "b_dec"}
"""Our name -> theirs where encoder and decoder are ``nn.Linear``, whose weights are transposed."""


def _names(architecture: str) -> dict[str, str]:
    if architecture in ("jumprelu", "matryoshka"):
        return _PLAIN
    return {**_LINEAR, "b_dec": "bias"} if architecture == "standard" else _LINEAR


def save(sae: SAE, directory: str | Path) -> None:
    """Write ``ae.pt`` and ``config.json``. Raises ``SAEError`` for architectures the format cannot express."""
    architecture = sae.config.architecture
    if architecture not in _CLASSES:
        raise SAEError(
            f"dictionary_learning has no {architecture} SAE"
            + ("; its codes are divided by their own norm, which no linear decoder can undo" * (architecture == "rms"))
            + f". It can take {', '.join(_CLASSES)}"
        )
    weights = {name: tensor.detach().float().cpu() for name, tensor in sae.state_dict().items()}
    if architecture != "jumprelu":
        # Only their JumpReLU reads x as it is; the others subtract the decoder bias first.
        weights["b_enc"] = centred_bias(weights["b_enc"], weights["b_dec"], weights["W_enc"])
    names = _names(architecture)
    linear = names is not _PLAIN
    theirs = {
        names[name]: weights[name].T.contiguous() if linear and name.startswith("W_") else weights[name]
        for name in _PLAIN
    }
    if architecture == "jumprelu":
        theirs["threshold"] = weights["threshold"].relu()
    elif architecture != "standard":
        # topk needs no threshold; -1 is their mark for one that was never estimated.
        theirs["threshold"] = weights["threshold"].max() if "threshold" in weights else torch.tensor(-1.0)
        theirs["k"] = torch.tensor(sae.config.k, dtype=torch.int)
    if isinstance(sae, MatryoshkaSAE):
        theirs["group_sizes"] = torch.diff(torch.tensor([0, *sae.prefixes]))
    trainer: dict[str, Any] = {
        "dict_class": _CLASSES[architecture],
        "activation_dim": sae.config.d_in,
        "dict_size": sae.config.d_sae,
        "k": sae.config.k,
        "lm_name": sae.source and sae.source.model_id,
        "submodule_name": sae.source and sae.source.hook_point,
    }
    buffer = io.BytesIO()
    torch.save(theirs, buffer)
    write_folder(Path(directory), "ae.pt", buffer.getvalue(), "config.json", {"trainer": trainer})


def load(directory: str | Path, source: Source | None = None) -> SAE:
    """Read a folder of theirs. Raises ``SAEError`` naming the file, the field and what would be readable."""
    config_path, path = Path(directory) / "config.json", Path(directory) / "ae.pt"
    trainer = setting(read_json(config_path), "trainer", config_path)
    their_class = setting(trainer, "dict_class", config_path)
    if their_class not in _ARCHITECTURES:
        raise SAEError(f"{config_path} has dict_class {their_class!r}; readable are {', '.join(_ARCHITECTURES)}")
    architecture = _ARCHITECTURES[their_class]
    tensors = _read_state(path)
    weights = take(tensors, _names(architecture), path)
    if _names(architecture) is not _PLAIN:
        weights |= {name: weights[name].T.contiguous() for name in ("W_enc", "W_dec")}
    if weights["W_enc"].ndim != 2:
        raise SAEError(f"{path}: the encoder is {tuple(weights['W_enc'].shape)}; expected a matrix")
    d_in, d_sae = weights["W_enc"].shape
    if architecture != "jumprelu":
        weights["b_enc"] = plain_bias(weights["b_enc"], weights["b_dec"], weights["W_enc"])
    if architecture in ("jumprelu", "batch_topk", "matryoshka"):
        weights["threshold"] = take(tensors, {"threshold": "threshold"}, path)["threshold"].relu().expand(d_sae)
    groups = take(tensors, {"groups": "group_sizes"}, path)["groups"] if architecture == "matryoshka" else None
    config = SAEConfig(
        architecture=architecture,
        d_in=d_in,
        d_sae=d_sae,
        k=_k(architecture, trainer, tensors),
        sparsity=0.0 if architecture == "standard" else None,
        prefixes=None if groups is None else tuple(groups.cumsum(0).int().tolist()),
    )
    return filled(config, weights, path, source)


def _k(architecture: str, trainer: dict[str, Any], tensors: dict[str, Tensor]) -> int | None:
    if architecture == "standard":
        return None
    if architecture == "jumprelu":
        # k only matters in training, where theirs is a mean to aim at.
        return max(round(trainer.get("target_l0") or 1), 1)
    return int(tensors["k"]) if "k" in tensors else trainer.get("k")


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SAEError(f"{path} is missing; a dictionary_learning folder needs it") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise SAEError(f"{path} cannot be read as a file of tensors only: {error}") from None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise SAEError(f"{path} does not hold a dictionary of tensors")
    return state
