"""From a checkpoint to a network: settings read off the tensors, names and shapes checked one by one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generators.base import CheckpointError
from generators.diffrhythm.checkpoint import read_state, weights_file
from generators.diffrhythm.transformer import AttentionKind, DiffRhythmTransformer
from generators.networks import SETTINGS_FILE, build, read_settings

FULL_MAX_FRAMES = 6144
"""Frames of the full-length models; in v1.2 these, and only these, have a duration embedding."""
STATED = ("dim", "depth", "ff_mult", "text_dim", "conv_layers", "mel_dim", "text_num_embeds")
"""What a ``config.json`` may say of the network."""


def load_transformer(
    path: str | Path,
    *,
    max_frames: int = 2048,
    attention: AttentionKind = "bidirectional",
    dtype: torch.dtype = torch.float32,
) -> DiffRhythmTransformer:
    """Load the denoiser in evaluation mode, its weights without gradients, on the CPU.

    Sizes come from the tensors' shapes, and from a ``config.json`` beside them where it states any, so that a file with
    a whole layer missing is noticed. What weights cannot tell are ``max_frames`` and ``attention``, which the caller
    gives, and the number of heads, which is 32 in every published model. What ``save_pretrained`` wrote states all
    three in its own ``config.json``; the two arguments are then not read.

    Parameters
    ----------
    path
        A ``.pt`` file in the published form, a training checkpoint, a ``.safetensors`` file, or a folder with one.
    max_frames
        2048 (base) or 6144 (full). Weights with a duration embedding are of a 6144-frame model whatever this says.
    attention
        ``"bidirectional"`` for v1.2 weights, ``"causal"`` for v1.0.
    dtype
        Type the weights are converted to.

    Raises
    ------
    CheckpointError
        Names the file, and every tensor that is missing, unknown or of another shape.
    """
    file = weights_file(Path(path))
    state = read_state(file)
    settings = read_settings(file.parent)
    if settings is None or settings.get("_class_name") != DiffRhythmTransformer.__name__:
        sizes = {**_sizes(state, file), **_stated_sizes(settings, file)}
        full = sizes["duration_embedding"]
        settings = {**sizes, "max_frames": FULL_MAX_FRAMES if full else max_frames, "attention": attention}
    # Copies: tensors of the same type would otherwise stay mapped to a file that may change.
    converted = {name: tensor.to(dtype, copy=True) for name, tensor in state.items()}
    transformer: DiffRhythmTransformer = build(DiffRhythmTransformer, settings, converted, file)
    if transformer.config["max_frames"] == FULL_MAX_FRAMES and transformer.config["attention"] == "bidirectional":
        _check_duration(state, file)
    return transformer.requires_grad_(False)


def _sizes(state: Mapping[str, Tensor], file: Path) -> dict[str, Any]:
    """Read constructor values off the shapes; each by a vote of several tensors, so that the odd one out is named."""
    cond_dim = _vote(_lengths(state, r"(start_)?time_embed\.time_mlp\.[02]\.bias"), file)
    dim = _vote(_lengths(state, r"transformer_blocks\.\d+\.\w+_layernorm\.weight|input_embed\..+\.bias"), file)
    hidden = _vote(_lengths(state, r"transformer_blocks\.\d+\.mlp\.(gate|up)_proj\.weight"), file)
    inputs = [tensor.shape[-1] for name, tensor in state.items() if name == "input_embed.proj.weight"]
    mel_dim = _vote([*_lengths(state, r"proj_out\.(weight|bias)"), *((n - 3 * cond_dim) // 2 for n in inputs)], file)
    blocks = _count(state, r"transformer_blocks\.(\d+)\.")
    fusions = _count(state, r"text_fusion_linears\.(\d+)\.")
    return {
        "dim": dim,
        "depth": max(blocks, 2 * fusions),
        "ff_mult": hidden // dim,
        "text_dim": cond_dim,
        "cond_dim": cond_dim,
        "conv_layers": _count(state, r"text_embed\.text_blocks\.(\d+)\."),
        "mel_dim": mel_dim,
        "text_num_embeds": _vote(_lengths(state, r"text_embed\.text_embed\.weight"), file) - 1,
        "duration_embedding": any(name.startswith("duration_time_embed.") for name in state),
        "long_skip": "long_skip_connection.weight" in state,
    }


def _stated_sizes(settings: Mapping[str, Any] | None, file: Path) -> dict[str, Any]:
    """Pick the constructor values that a ``config.json`` states, under ``model`` as published or at its top.

    Its ``heads`` are read by nothing.
    """
    if settings is None:
        return {}
    model = settings.get("model", settings)
    known = isinstance(model, Mapping) and {name: model[name] for name in STATED if model.get(name) is not None}
    if not known:
        raise CheckpointError(
            f"{file.parent / SETTINGS_FILE}: holds no DiffRhythm settings; move the weights, or remove it if unrelated"
        )
    for name, value in known.items():
        if type(value) is not int or value < 0:
            raise CheckpointError(f"{file.parent / SETTINGS_FILE}: {name} is {value!r}, not a size; fetch it again")
    return known


def _lengths(state: Mapping[str, Tensor], pattern: str) -> list[int]:
    """First axes of the tensors whose name fits ``pattern``."""
    return [tensor.shape[0] for name, tensor in state.items() if re.fullmatch(pattern, name) and tensor.dim()]


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the largest index in names that begin with ``pattern``."""
    found = (re.match(pattern, name) for name in state)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _vote(lengths: list[int], file: Path) -> int:
    if not lengths:
        raise CheckpointError(f"{file}: not a DiffRhythm checkpoint; tensors every one of them has are not there")
    return Counter(lengths).most_common(1)[0][0]


def _check_duration(state: Iterable[str], file: Path) -> None:
    """Refuse a full-length v1.2 model without its duration embedding."""
    if not any(name.startswith("duration_time_embed.") for name in state):
        raise CheckpointError(
            f"{file}: missing: duration_time_embed.*, which a v1.2 model of {FULL_MAX_FRAMES} frames has; "
            "for v1.0 weights give attention=causal"
        )
