"""Files that ``torch.save`` wrote, read as data and never as programs."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from generators.base import CheckpointError


def read_pickle(file: Path) -> Any:
    """Tensors, numbers and texts of a torch file, on the CPU and mapped into memory.

    Raises ``CheckpointError`` when it is truncated, or holds anything else, such as a program.
    """
    try:
        with warnings.catch_warnings():
            # Of TorchScript, which is refused, torch says first that it should have been opened otherwise.
            warnings.filterwarnings("ignore", "'torch.load' received a zip file", UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError):
        raise CheckpointError(
            f"{file}: not a torch checkpoint of plain tensors; the file is truncated or something else, fetch it again"
        ) from None
