"""A generator's folder on disk: ``generator.json`` (which generator, its config) beside safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from generators.base import CheckpointError

GENERATOR_FILE = "generator.json"


def write_config(directory: str | Path, generator: str, config: Mapping[str, Any]) -> None:
    """Write ``generator.json``: the registered name and the constructor's values. Creates the folder."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"generator": generator, "config": dict(config)}, indent=2, ensure_ascii=False)
    (folder / GENERATOR_FILE).write_text(text + "\n", encoding="utf-8")


def read_config(directory: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the registered name and the config of a folder. Raises ``CheckpointError`` naming the file."""
    path = Path(directory) / GENERATOR_FILE
    if not Path(directory).is_dir():
        raise CheckpointError(f"{directory}: no such folder")
    if not path.is_file():
        raise CheckpointError(f"{path}: missing; a generator's folder holds {GENERATOR_FILE} (see save_pretrained)")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return str(document["generator"]), dict(document["config"])
    except (ValueError, TypeError, KeyError):
        raise CheckpointError(f'{path}: not a JSON object with "generator" and "config"') from None


def read_own_config(directory: str | Path, generator: str) -> dict[str, Any]:
    """Return the config of a folder that ``generator`` wrote. Raises ``CheckpointError`` for another's."""
    name, config = read_config(directory)
    if name != generator:
        raise CheckpointError(f"{Path(directory) / GENERATOR_FILE}: holds generator {name!r}, not {generator!r}")
    return config


def read_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Read a safetensors file. Raises ``CheckpointError`` when it is missing, truncated or something else."""
    if not path.is_file():
        raise CheckpointError(f"{path}: missing")
    try:
        return load_file(path, device=device)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error}); write or fetch it again") from None
