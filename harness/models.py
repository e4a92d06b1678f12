"""Finding and loading what ``--generator`` names: a registered generator, a published model, or a folder of weights."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from generators import GENERATORS, codecs
from generators.base import Generator
from generators.codecs import CODECS
from generators.codecs.base import Codec
from generators.diffusers_audio import PREFIX, names_pipeline
from generators.folder import GENERATOR_FILE, read_config
from generators.published import DEFAULTS, PUBLISHED, PUBLISHED_FILES
from harness import registry
from harness.errors import InputError
from harness.hub import cache
from harness.memory import enough_memory
from harness.store.format import LOAD
from harness.store.reader import Trace

CODEC_PART = "vae"
"""Part of a published model that is its codec's weights."""
REMOTE_CODE = "trust_remote_code"
RUN_CODE = (REMOTE_CODE, "style_python")
"""Settings by which a generator runs code or programs of others."""
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_generator(
    name: str,
    *,
    weights: str | Path | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    settings: Mapping[str, Any] | None = None,
) -> Generator:
    """Load a generator; nothing is downloaded.

    A registered name wins over a folder of the same name; write ``./name`` for the folder.

    Parameters
    ----------
    name
        A registered name, a folder with a ``generator.json`` or published files, or a published model's hub id.
    weights
        Folder that a registered generator is loaded from, instead of its default.
    device, dtype
        Where, and as what type.
    settings
        What the generator's own ``from_pretrained`` takes besides.

    Raises
    ------
    InputError
        For an unknown name, device, dtype or setting.
    HarnessError
        For a published model that is not on this machine, and a device with too little memory.
    CheckpointError
        For a faulty folder.
    """
    if dtype not in DTYPES:
        raise InputError(registry.unknown("dtype", dtype, list(DTYPES)))
    check_device(device)
    kind, path, name, parts = _locate(name, weights)
    given = {**parts, **(settings or {})}
    known = set(inspect.signature(kind.from_pretrained).parameters) - {"path", "device", "dtype"}
    for key in given:
        if key not in known:
            raise InputError(
                f"{name} has no setting {key!r} to be loaded with; it has {', '.join(sorted(known)) or 'none'}"
            )
    with enough_memory(device):
        generator: Generator = kind.from_pretrained(path, device=device, dtype=DTYPES[dtype], **given)
    if name in PUBLISHED:
        generator.id = name
    generator.load_settings = {key: str(v) if isinstance(v, Path) else v for key, v in (settings or {}).items()}
    return generator


def load_generator_of(
    trace: Trace, *, device: str = "cpu", dtype: str = "float32", settings: Mapping[str, Any] | None = None
) -> Generator:
    """Load the generator a trace was made with, as it was loaded then; ``require_generator`` says if it still fits.

    Settings that make it run other code (``RUN_CODE``) are not taken from a file: ``settings`` has to give them again,
    and may give others. Raises ``InputError`` that says which, and what ``load_generator`` raises.
    """
    given = {**_loaded_with(trace), **(settings or {})}
    for key in RUN_CODE:
        if key in given and key not in (settings or {}):
            flag = "--trust-remote-code" if key == REMOTE_CODE else f"--load {key}={given[key]}"
            raise InputError(
                f"{trace.path} was made by a generator that was loaded with {key}={given[key]}, which runs other code; "
                f"if you trust that, give {flag} again"
            )
    return load_generator(trace.generator_id, device=device, dtype=dtype, settings=given)


def load_codec(name: str) -> Codec:
    """Load a registered codec with its default weights, or ``diffusers:`` and the id or folder of a pipeline.

    Raises ``InputError`` for an unknown name, ``CheckpointError`` for a pipeline without a codec that is known.
    """
    if name.startswith(PREFIX):
        from generators.diffusers_audio.load import load_codec as load_codec_of_pipeline  # heavy: diffusers

        return load_codec_of_pipeline(name.removeprefix(PREFIX))
    kind = registry.find("codecs", CODECS, name)
    codec: Codec = kind.from_pretrained() if hasattr(kind, "from_pretrained") else kind()
    return codec


def load_codec_of(trace: Trace) -> Codec:
    """Load the codec of the generator a trace was made with, onto the CPU; ``require_codec`` says if it still fits."""
    if trace.codec_id.startswith(PREFIX):
        return load_codec(PREFIX + trace.generator_id)
    published = PUBLISHED.get(trace.generator_id)
    if published is not None and CODEC_PART in published.parts:  # a network of gigabytes need not be loaded for it
        return codecs.load(trace.codec_id, weights=cache.only_file(published.parts[CODEC_PART]))
    harmless = {key: value for key, value in _loaded_with(trace).items() if key not in RUN_CODE}
    return load_generator(trace.generator_id, settings=harmless).codec


def require_generator(trace: Trace, generator: Generator) -> None:
    """Raise ``InputError`` if ``generator`` would make something else of the request of ``trace``."""
    if generator.weights_sha256 != trace.weights_sha256:
        raise InputError(
            f"{trace.path} was made with weights {trace.weights_sha256[:12]} of {trace.generator_id!r}; these are "
            f"{generator.weights_sha256[:12]}. Use the version or the folder that the trace was made with"
        )


def require_codec(trace: Trace, codec: Codec) -> None:
    """Raise ``InputError`` if ``codec`` would decode the latents of ``trace`` to something else than they were."""
    made_with = trace.codec_id, trace.metadata["codec_weights_sha256"]
    if (codec.id, codec.weights_sha256) != made_with:
        raise InputError(
            f"{trace.path} was made with codec {made_with[0]!r}, weights {made_with[1][:12]}; this is {codec.id!r}, "
            f"weights {codec.weights_sha256[:12]}. Use the version or the folder that the trace was made with"
        )


def _loaded_with(trace: Trace) -> dict[str, Any]:
    """Return the settings that the trace says its generator was loaded with."""
    return dict(trace.metadata["extra"].get(LOAD, {}))


def _locate(name: str, weights: str | Path | None) -> tuple[Any, Path | None, str, dict[str, Path]]:
    """Class, folder (None = the weights it ships with), name to go by, and folders of further parts."""
    known = registry.table("generators", GENERATORS)
    if name not in known and name in PUBLISHED:
        return _published(name)
    if name not in known and names_pipeline(name):
        return registry.find("generators", GENERATORS, "diffusers"), Path(name), name, {}
    if name not in known and (os.sep in name or Path(name).is_dir()):
        if weights is not None:
            raise InputError(f"--generator {name} names a folder already; give --weights with a registered name")
        return registry.find("generators", GENERATORS, _registered(Path(name))), Path(name), name, {}
    kind = registry.find("generators", GENERATORS, name)
    if weights is not None:
        return kind, Path(weights), name, {}
    return _published(DEFAULTS[name]) if name in DEFAULTS else (kind, None, name, {})


def _published(name: str) -> tuple[Any, Path, str, dict[str, Path]]:
    """Find a published model's files in the hub's cache."""
    entry = PUBLISHED[name]
    if entry.generator is None:
        raise InputError(
            f"{name} ({entry.what}) is a part of other models; 'harness models list' shows which there are"
        )
    folder = cache.require(name)
    parts = {argument: cache.require(other) for argument, other in entry.parts.items()}
    return registry.find("generators", GENERATORS, entry.generator), folder, name, parts


def _registered(folder: Path) -> str:
    """Name of the generator whose weights a folder holds."""
    if not folder.is_dir():
        raise InputError(f"there is no generator folder {folder}; give a folder that holds {GENERATOR_FILE}")
    if not (folder / GENERATOR_FILE).is_file():
        for file, name in PUBLISHED_FILES.items():
            if (folder / file).is_file():
                return name
    return read_config(folder)[0]


def check_device(device: str) -> None:
    """Raise ``InputError`` for a device that torch does not know or does not have."""
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise InputError(f"unknown device {device!r}; give cpu, cuda or cuda:N") from None
    available = kind == "cpu" or (kind == "cuda" and torch.cuda.is_available())
    if not available:
        raise InputError(f"device {device!r} is not available here; --device cpu always is")
