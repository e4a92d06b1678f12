"""Weight files of ``mini``: float16 on disk, exactly those values in float32 when computing."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from generators.folder import read_tensors
from generators.networks import check_tensors


def save_half(network: nn.Module, path: Path) -> None:
    """Save all parameters and buffers as float16."""
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path)


def load_strictly(network: nn.Module, path: Path) -> None:
    """Fill ``network`` from a file. Raises ``CheckpointError`` naming every missing, extra or mis-shaped tensor."""
    found = read_tensors(path)
    check_tensors(found, network.state_dict(), path)
    network.load_state_dict({name: value.float() for name, value in found.items()})
