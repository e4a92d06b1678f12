"""Building a network from settings and tensors, and saying exactly what does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from generators.base import CheckpointError

SETTINGS_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
"""Names of diffusers' layout."""
LISTED = 8
"""Tensors of one fault that a message names."""


Network = TypeVar("Network", bound=nn.Module)


def read_settings(folder: Path) -> dict[str, Any] | None:
    """Content of ``config.json`` in ``folder``, None when there is none. Raises ``CheckpointError`` when unusable."""
    file = folder / SETTINGS_FILE
    if not file.is_file():
        return None
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(f"{file}: not JSON; fetch it again or remove it") from None
    if not isinstance(document, dict):
        raise CheckpointError(f"{file}: not a JSON object")
    return document


def build(kind: type[Network], settings: Mapping[str, Any], state: Mapping[str, Tensor], file: Path) -> Network:
    """Make ``kind(**settings)`` with the tensors of ``state`` as its weights, in evaluation mode.

    Settings that begin with ``_`` are diffusers' own and left out. ``file`` is for messages. Raises
    ``CheckpointError`` when there is no such network or a tensor does not fit it.
    """
    with torch.device("meta"):
        try:
            network = kind(**{name: value for name, value in settings.items() if not name.startswith("_")})
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{file}: no {kind.__name__} has these settings ({error})") from None
    check_tensors(state, network.state_dict(), file)
    network.load_state_dict(state, assign=True)
    return network.eval()


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], file: Path) -> None:
    """Compare names and shapes. Raises ``CheckpointError`` that names what is missing, unknown or of another shape."""
    reshaped = [
        f"{name} {list(found[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults = {
        "missing": [name for name in expected if name not in found],
        "unknown": [name for name in found if name not in expected],
        "of another shape": reshaped,
    }
    listed = [f"{fault}: {_listed(names)}" for fault, names in faults.items() if names]
    if listed:
        raise CheckpointError(f"{file}: tensors do not fit the network; {'; '.join(listed)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
