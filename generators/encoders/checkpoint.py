"""Reading what transformers saved, with one clear message for whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generators.base import CheckpointError
from generators.encoders import ENCODERS

UNUSED = frozenset({"masked_spec_embed"})
"""Tensors that only training needs; a checkpoint may lack them."""


def read_settings(name: str) -> dict[str, Any]:
    """Read ``config.json`` of a folder or hub id. Raises ``CheckpointError`` unless it is of a known audio encoder."""
    from transformers import PretrainedConfig

    with faults(name):
        settings, _ = PretrainedConfig.get_config_dict(name)
    if not settings:
        raise CheckpointError(f"{name} holds no config.json; give a hub id or a folder in transformers' layout")
    kind = settings.get("model_type")
    if kind not in ENCODERS:
        raise CheckpointError(
            f"{name} is a model of type {kind!r}, not an audio encoder known here; known: {', '.join(sorted(ENCODERS))}"
        )
    return dict(settings)


def load_model(kind: Any, name: str, config: Any | None = None) -> Any:
    """Load a model of class ``kind`` and return it ready for use. Raises ``CheckpointError`` for missing tensors."""
    options = {} if config is None else {"config": config}
    with faults(name):
        model, report = kind.from_pretrained(name, output_loading_info=True, **options)
    if missing := sorted(key for key in report["missing_keys"] if key.rpartition(".")[2] not in UNUSED):
        raise CheckpointError(
            f"{name} lacks {len(missing)} tensors of {kind.__name__}, among them {missing[0]}; get the whole checkpoint"
        )
    return model.float().eval().requires_grad_(False)


def load_extractor(name: str) -> Any:
    """Load what turns samples into the model's input. Raises ``CheckpointError`` when it is missing."""
    from transformers import AutoFeatureExtractor

    with faults(name, "preprocessor_config.json of "):
        return AutoFeatureExtractor.from_pretrained(name)  # type: ignore[no-untyped-call]


def require(settings: Mapping[str, Any], name: str, wanted: Mapping[str, Any]) -> None:
    """Raise ``CheckpointError`` where a setting that changes the network has another value than the one built here."""
    for key, value in wanted.items():
        if settings.get(key, value) != value:
            raise CheckpointError(f"{name} has {key} {settings[key]!r}; only {value!r} can be read here")


@contextmanager
def faults(name: str, part: str = "") -> Iterator[None]:
    """Turn what transformers raises into ``CheckpointError``; ``part`` says what of the checkpoint was read.

    Transformers and the hub's client write nothing meanwhile: no bars, no line for every time they try again.
    """
    try:
        with _quiet():
            yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        hint = "" if Path(name).is_dir() else "; it is no folder here, so the hub was asked (which needs a network)"
        raise CheckpointError(f"cannot load {part}the encoder {name}{hint}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), hub.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    hub.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        hub.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
