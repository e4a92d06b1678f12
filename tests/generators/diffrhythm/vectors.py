"""The recorded vectors of the original network: where they are, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

ROOT = Path(__file__).parents[3]
PLACES = (ROOT / "tests/data/diffrhythm", ROOT.parent / "shared/parity/diffrhythm")
"""The small set is in the repository; the larger one may lie beside it."""

CALL_ATOL = 1e-5
TRAJECTORY_ATOL = 5e-5
HALF_CALL_ATOL = 0.02
HALF_TRAJECTORY_RELATIVE = 0.02


class Recording(NamedTuple):
    """One file of recorded tensors."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def inputs(self) -> dict[str, Tensor]:
        """Tensors named ``in.*``, without the ``in.``."""
        return {name.removeprefix("in."): value for name, value in self.tensors.items() if name.startswith("in.")}


def locate(name: str) -> Path:
    """Path of a file of the set; skips the test where it is not there."""
    for place in PLACES:
        if (place / name).exists():
            return place / name
    pytest.skip(f"the recorded vectors {name} are not here (looked in {', '.join(map(str, PLACES))})")


def read(name: str) -> Recording:
    with safe_open(locate(name), "pt") as file:
        return Recording({key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {})  # noqa: SIM118


def joined(folder: Path, *names: str) -> Path:
    """Checkpoint in ``folder`` that holds the tensors of several files of the set."""
    state: dict[str, Tensor] = {}
    for name in names:
        state |= torch.load(locate(name), weights_only=True)["model_state_dict"]
    torch.save({"model_state_dict": state}, folder / "cfm_model.pt")
    return folder / "cfm_model.pt"
