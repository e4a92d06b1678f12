"""Reading DiffRhythm's tensors and settings from the files they are published in, or that we write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from generators.base import CheckpointError
from generators.folder import read_tensors
from generators.networks import WEIGHTS_FILE
from generators.pickles import read_pickle

WEIGHTS_FILES = (WEIGHTS_FILE, "cfm_model.pt", "cfm_model.safetensors")
"""Names looked for in a folder: diffusers' own, then those of the published repositories."""

PREFIX = "transformer."
AVERAGED_PREFIX = "ema_model."
AVERAGED_COUNTERS = ("initted", "step")
"""What the averaged weights of a training checkpoint hold beside tensors of the network."""
RECOMPUTED = ("inv_freq", "freqs_cis")
"""Endings of position buffers that some files hold and no model reads."""


def weights_file(path: Path) -> Path:
    """Return the file itself, or the weights file of a folder. Raises ``CheckpointError`` when there is none."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such file or folder")
    for name in WEIGHTS_FILES:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"{path}: holds no weights; looked for {', '.join(WEIGHTS_FILES)}")


def read_state(file: Path) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file or a torch pickle, under the names of ``DiffRhythmTransformer``.

    A pickle may hold the published form (one entry, ``model_state_dict``) or be a training checkpoint; of the latter
    the plain weights are read, as the original does, and the averaged ones only where there are no others. Pickles are
    read as data only.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or holds something else.
    """
    state = read_tensors(file) if file.suffix == ".safetensors" else _read_pickle(file)
    return {
        name.removeprefix(AVERAGED_PREFIX).removeprefix(PREFIX): tensor
        for name, tensor in state.items()
        if name not in AVERAGED_COUNTERS and not name.endswith(RECOMPUTED)
    }


def _read_pickle(file: Path) -> Mapping[str, Tensor]:
    document = read_pickle(file)
    if isinstance(document, Mapping):
        document = document.get("model_state_dict", document.get("ema_model_state_dict", document))
    if not isinstance(document, Mapping) or not all(isinstance(value, Tensor) for value in document.values()):
        raise CheckpointError(f"{file}: holds no model_state_dict; this is not a DiffRhythm checkpoint")
    return document
