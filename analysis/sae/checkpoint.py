"""A training's state in one safetensors file, its settings as JSON in the header: replaced whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from analysis.files import replace_file
from analysis.sae.config import SAEError

_KEY = "sae_training"


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write ``tensors`` and JSON-ready ``facts``; what was at ``path`` stays until the new file is complete."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    replace_file(path, save(contiguous, metadata={_KEY: json.dumps(facts)}))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``write_checkpoint`` wrote. Raises ``SAEError`` naming the file when it is not such a file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise SAEError(f"{path} is a safetensors file, but not a checkpoint of an SAE training")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata[_KEY])  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise SAEError(f"{path} cannot be read as a training checkpoint: {error}") from error
