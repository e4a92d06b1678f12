"""Files that hold a codec's weights: read as plain tensors, or fetched from the hub with a clear word when offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub.errors import EntryNotFoundError, HTTPError  # type: ignore[attr-defined]
from torch import Tensor

from generators.base import CheckpointError
from generators.folder import read_tensors
from generators.hub import locate
from generators.pickles import read_pickle


def read_state(file: Path) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file or a torch file, of a training checkpoint those under ``state_dict``.

    A torch file is read as data only. Raises ``CheckpointError`` when it is missing, truncated or something else.
    """
    if file.suffix == ".safetensors":
        return read_tensors(file)
    if not file.is_file():
        raise CheckpointError(f"{file}: missing")
    document = read_pickle(file)
    state = document.get("state_dict", document) if isinstance(document, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{file}: holds no weights under names; this is not a codec's checkpoint")
    return dict(state)


def fetch(repository: str, name: str) -> Path:
    """Path of a file of a hub repository: from the local cache, else downloaded.

    Raises ``CheckpointError`` that says how to do without a network.
    """
    try:
        return locate(repository, name)[0]
    except (HTTPError, OSError) as error:
        reason = "it is not there" if isinstance(error, EntryNotFoundError) else "no network, or it is switched off"
        raise CheckpointError(
            f"{name} of {repository} is not in the hub's cache on this machine and cannot be downloaded ({reason}); "
            "fetch the checkpoint elsewhere and give its path as weights"
        ) from None
