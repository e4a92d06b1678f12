"""Finding a pipeline by hub id or folder, and refusing early what cannot be used."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from huggingface_hub import errors
from safetensors import SafetensorError
from torch import nn

from generators.base import CheckpointError, RequestError
from generators.codecs.base import Codec
from generators.diffusers_audio import INDEX
from generators.diffusers_audio.codecs import PARTS, codec_of, decodes_audio
from generators.hub import locate


def load_pipeline(
    path: str | Path | None, *, device: str, dtype: torch.dtype, trust_remote_code: bool
) -> tuple[Any, str]:
    """Load a text-to-audio pipeline; return it with its id or folder.

    Raises
    ------
    CheckpointError
        It is not there, not one, needs code of its own or a package that is missing, or is damaged.
    RequestError
        For float16 on a CPU.
    """
    if path is None:
        raise CheckpointError(
            "generator 'diffusers' has no default weights; give a hub id such as owner/name, or a folder"
        )
    if dtype == torch.float16 and torch.device(device).type == "cpu":
        raise RequestError("float16 is not for a CPU; give --dtype float32 or bfloat16, or --device cuda")
    source = str(path)
    index, cache_alone = read_index(source)
    if not trust_remote_code:
        _refuse_own_code(index, source)
    _require_audio(index, source)
    with _explained(source), _silent():
        kind: Any = DiffusionPipeline
        pipeline = kind.from_pretrained(source, trust_remote_code=trust_remote_code, local_files_only=cache_alone)
        pipeline.to(device)
        if dtype != torch.float32:
            pipeline.to(dtype)
    for part in pipeline.components.values():
        if isinstance(part, nn.Module):
            _settle(part.eval().requires_grad_(False))
    return pipeline, source


def load_codec(source: str, device: str = "cpu") -> Codec:
    """Load the codec of a pipeline alone, without its network. Raises ``CheckpointError`` as ``load_pipeline``."""
    index, cache_alone = read_index(source)
    _refuse_own_code(index, source)
    _require_audio(index, source)
    components = {}
    with _explained(source), _silent():
        for name in PARTS:
            if name in index:
                library, kind = index[name]
                # Nothing else is imported because a file says so.
                home = {"diffusers": diffusers, "transformers": transformers}[library]
                part = getattr(home, kind).from_pretrained(source, subfolder=name, local_files_only=cache_alone)
                components[name] = part.to(device)
    return codec_of(components, source)


def read_index(source: str) -> tuple[dict[str, Any], bool]:
    """Read which pipeline and components a folder or hub id holds, and whether the hub's cache alone can be asked.

    Raises ``CheckpointError``.
    """
    folder = Path(source).is_dir()
    file, online = (Path(source) / INDEX, True) if folder else _fetch_index(source)
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{source}: holds no {INDEX}; give a folder or id in diffusers' layout") from None
    except ValueError:
        raise CheckpointError(f"{file}: not JSON; fetch it again") from None
    if not isinstance(index, dict) or "_class_name" not in index:
        raise CheckpointError(f"{file}: names no pipeline; give a folder or id in diffusers' layout")
    return index, not online


def _fetch_index(source: str) -> tuple[Path, bool]:
    """Find ``model_index.json`` of a hub id, and say whether the hub gave it out."""
    absent = "there is no such folder, it is not in the hub's cache, and"
    try:
        return locate(source, INDEX)
    except errors.GatedRepoError:
        reason = "its owner asks for consent: accept the terms on its page at the hub, then log in with `hf auth login`"
    except errors.RepositoryNotFoundError:
        reason = (
            "the hub has no model of this name that you may see; check the spelling, or log in with `hf auth login`"
        )
    except errors.EntryNotFoundError:
        reason = f"it holds no {INDEX}, so it is not in diffusers' layout"
    except errors.HFValidationError:
        reason = "there is no such folder, and it is no hub id of the form owner/name"
    except errors.HfHubHTTPError as error:
        reason = f"the hub answered: {' '.join(str(error).split())[:200]}"
    except errors.OfflineModeIsEnabled:
        reason = f"{absent} HF_HUB_OFFLINE forbids to ask the hub; go online once"
    except errors.HTTPError:  # type: ignore[attr-defined]  # of whichever HTTP library the client uses
        reason = f"{absent} the hub cannot be reached; go online once"
    raise CheckpointError(f"{source}: {reason}")


def _refuse_own_code(index: dict[str, Any], source: str) -> None:
    own_code = _own_code(index)
    if own_code:
        raise CheckpointError(
            f"{source}: {own_code} is code that came with the model; read it, and if you trust it run with "
            "--trust-remote-code"
        )


def _own_code(index: dict[str, Any]) -> str | None:
    """Name the class of a pipeline or component that is defined by code in the repository."""
    if isinstance(index["_class_name"], list):
        return " of ".join(reversed([str(part) for part in index["_class_name"]]))
    if not hasattr(diffusers, str(index["_class_name"])):
        return str(index["_class_name"])
    for name, (library, kind) in _components(index).items():
        # Components of a pipeline's own module in diffusers, such as its projection model, name that module.
        known = library in (None, "diffusers", "transformers") or hasattr(diffusers.pipelines, str(library))
        if not known:
            return f"{kind} ({name})"
    return None


def _components(index: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Library and class of every component."""
    return {name: (entry[0], entry[1]) for name, entry in index.items() if isinstance(entry, list) and len(entry) == 2}


def _require_audio(index: dict[str, Any], source: str) -> None:
    classes = {name: str(kind) for name, (_, kind) in _components(index).items()}
    if not decodes_audio(classes):
        parts = ", ".join(f"{name} {classes[name]}" for name in PARTS if classes.get(name)) or "no vae"
        raise CheckpointError(
            f"{source}: {index['_class_name']} makes no audio that can be decoded here (it has {parts}); give a "
            "text-to-audio pipeline ('harness models list' names the kinds)"
        )


@contextmanager
def _explained(source: str) -> Iterator[None]:
    """Turn what libraries raise over unusable files into one ``CheckpointError``."""
    try:
        yield
    except CheckpointError:
        raise
    except ImportError as error:
        raise CheckpointError(f"{source}: a package is missing: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{source}: cannot be loaded: {' '.join(str(error).split())[:400]}") from error


def _settle(network: nn.Module) -> None:
    """Copy weights out of the mapped file: kernels round differently where memory is not aligned."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep diffusers and transformers from drawing bars and giving advice while they load."""
    loggers = (diffusers.utils.logging, transformers.utils.logging)
    before = [(logger.get_verbosity(), logger.is_progress_bar_enabled()) for logger in loggers]
    for logger in loggers:
        logger.set_verbosity_error()
        logger.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # diffusers uses a kind of weight norm that torch has deprecated.
            warnings.simplefilter("ignore", FutureWarning)
            # diffusers still gives the hub's client an argument that it no longer reads.
            warnings.filterwarnings("ignore", message="The `local_dir_use_symlinks` argument is deprecated")
            yield
    finally:
        for logger, (verbosity, bars) in zip(loggers, before, strict=True):
            logger.set_verbosity(verbosity)
            if bars:
                logger.enable_progress_bar()
