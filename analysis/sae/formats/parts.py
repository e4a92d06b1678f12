"""What the folder formats share: reading with clear errors, and where the decoder bias is subtracted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from analysis.files import replace_file
from analysis.sae.base import SAE, build
from analysis.sae.config import SAEConfig, SAEError
from analysis.source import Source


def write_folder(directory: Path, weights_name: str, weights: bytes, config_name: str, config: Any) -> None:
    """Write weights, then the JSON that makes the folder an SAE."""
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / weights_name, weights)
    replace_file(directory / config_name, json.dumps(config, indent=1, allow_nan=False).encode())


def safetensors_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise tensors, whatever their memory layout."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ``SAEError`` naming the file and the fault."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SAEError(f"{path} is missing; an SAE folder needs it") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SAEError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(values, dict):
        raise SAEError(f"{path} holds a {type(values).__name__}; expected an object of settings")
    return values


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read tensors as float32. Raises ``SAEError`` naming the file and the fault."""
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except FileNotFoundError:
        raise SAEError(f"{path} is missing; an SAE folder needs it") from None
    except (OSError, SafetensorError) as error:
        raise SAEError(f"{path} cannot be read as safetensors: {error}") from None


def take(tensors: Mapping[str, Tensor], names: Mapping[str, str], path: Path) -> dict[str, Tensor]:
    """Return tensors under new names, ``{ours: theirs}``. Raises ``SAEError`` naming those that are missing."""
    missing = sorted(set(names.values()) - set(tensors))
    if missing:
        raise SAEError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(sorted(tensors)) or 'nothing'}")
    return {ours: tensors[theirs].float() for ours, theirs in names.items()}


def setting(settings: Mapping[str, Any], name: str, path: Path) -> Any:
    """Return a setting. Raises ``SAEError`` when the file has none of that name."""
    if name not in settings:
        raise SAEError(f"{path} has no {name!r}")
    return settings[name]


def filled(config: SAEConfig, weights: Mapping[str, Tensor], path: Path, source: Source | None) -> SAE:
    """Build an SAE and give it its weights. Raises ``SAEError`` naming the tensor that does not fit."""
    sae = build(config, source)
    own = sae.state_dict()
    for name, tensor in own.items():
        if name not in weights:
            raise SAEError(f"{path} lacks {name}, which a {config.architecture} SAE needs")
        if weights[name].shape != tensor.shape:
            raise SAEError(f"{path}: {name} is {tuple(weights[name].shape)}; its config says {tuple(tensor.shape)}")
        if not torch.isfinite(weights[name]).all():
            raise SAEError(f"{path}: {name} holds NaN or infinite values")
    sae.load_state_dict({name: weights[name] for name in own})
    return sae.eval()


@torch.no_grad()
def centred_bias(b_enc: Tensor, b_dec: Tensor, W_enc: Tensor) -> Tensor:
    """Return the encoder bias for readers that compute ``(x - b_dec) @ W_enc + bias``."""
    return b_enc + b_dec @ W_enc


@torch.no_grad()
def plain_bias(bias: Tensor, b_dec: Tensor, W_enc: Tensor) -> Tensor:
    """Inverse of ``centred_bias``."""
    return bias - b_dec @ W_enc
