"""Weight files of ``mini``: float16 on disk, exactly those values in float32 when computing."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from generators.base import CheckpointError
from generators.folder import read_tensors


def save_half(network: nn.Module, path: Path) -> None:
    """Save all parameters and buffers as float16."""
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path)


def load_strictly(network: nn.Module, path: Path) -> None:
    """Fill ``network`` from a file. Raises ``CheckpointError`` naming a missing, extra or mis-shaped tensor."""
    found, wanted = read_tensors(path), network.state_dict()
    faults = {
        "missing": wanted.keys() - found.keys(),
        "unexpected": found.keys() - wanted.keys(),
        "of another shape": {n for n in wanted.keys() & found.keys() if wanted[n].shape != found[n].shape},
    }
    for fault, names in faults.items():
        if names:
            raise CheckpointError(
                f"{path}: {len(names)} tensors {fault}, first {min(names)!r}; not this network's file"
            )
    network.load_state_dict({name: value.float() for name, value in found.items()})
