"""Finding and loading what ``--generator`` names: a registered generator, or a folder ``save_pretrained`` wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from generators import GENERATORS
from generators.base import Generator
from generators.codecs import CODECS
from generators.codecs.base import Codec
from generators.folder import GENERATOR_FILE, read_config
from harness import registry
from harness.errors import InputError
from harness.store.reader import Trace

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_generator(name: str, *, device: str = "cpu", dtype: str = "float32") -> Generator:
    """Load a generator by its registered name or from a folder with a ``generator.json``.

    A registered name wins over a folder of the same name; write ``./name`` for the folder. Raises ``InputError`` for
    an unknown name, device or dtype, ``CheckpointError`` for a faulty folder.
    """
    kind, folder = _locate(name)
    if dtype not in DTYPES:
        raise InputError(registry.unknown("dtype", dtype, list(DTYPES)))
    check_device(device)
    generator: Generator = kind.from_pretrained(folder, device=device, dtype=DTYPES[dtype])
    return generator


def load_codec(name: str) -> Codec:
    """Load a registered codec with its default weights. Raises ``InputError`` for an unknown name."""
    kind = registry.find("codecs", CODECS, name)
    codec: Codec = kind.from_pretrained() if hasattr(kind, "from_pretrained") else kind()
    return codec


def load_codec_of(trace: Trace) -> Codec:
    """Load the codec of the generator a trace was made with, onto the CPU; ``require_codec`` says if it still fits."""
    return load_generator(trace.generator_id).codec


def require_codec(trace: Trace, codec: Codec) -> None:
    """Raise ``InputError`` if ``codec`` would decode the latents of ``trace`` to something else than they were."""
    made_with = trace.codec_id, trace.metadata["codec_weights_sha256"]
    if (codec.id, codec.weights_sha256) != made_with:
        raise InputError(
            f"{trace.path} was made with codec {made_with[0]!r}, weights {made_with[1][:12]}; this is {codec.id!r}, "
            f"weights {codec.weights_sha256[:12]}. Use the version or the folder that the trace was made with"
        )


def _locate(name: str) -> tuple[Any, Path | None]:
    """Class and folder (None = the default weights) of a generator."""
    known = registry.table("generators", GENERATORS)
    if name not in known and (os.sep in name or Path(name).is_dir()):
        folder = Path(name)
        if not folder.is_dir():
            raise InputError(f"there is no generator folder {name}; give a folder that holds {GENERATOR_FILE}")
        registered, _ = read_config(folder)
        return registry.find("generators", GENERATORS, registered), folder
    return registry.find("generators", GENERATORS, name), None


def check_device(device: str) -> None:
    """Raise ``InputError`` for a device that torch does not know or does not have."""
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise InputError(f"unknown device {device!r}; give cpu, cuda or cuda:N") from None
    available = kind == "cpu" or (kind == "cuda" and torch.cuda.is_available())
    if not available:
        raise InputError(f"device {device!r} is not available here; --device cpu always is")
