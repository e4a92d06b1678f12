"""What a WavTokenizer is made of: read off its tensors, and from the YAML file it was trained with."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from generators.base import CheckpointError
from generators.codecs.wavtokenizer.backbone import GROUPS

SAMPLE_RATE_HZ = 24000
"""Of every published model."""
PATHS = {
    "sample_rate_hz": ("sample_rate",),
    "strides": ("feature_extractor", "dowmsamples"),
    "codebook_size": ("feature_extractor", "vq_bins"),
    "num_codebooks": ("feature_extractor", "num_quantizers"),
    "latent_channels": ("backbone", "input_channels"),
    "dim": ("backbone", "dim"),
    "inner_dim": ("backbone", "intermediate_dim"),
    "blocks": ("backbone", "num_layers"),
    "norm_rows": ("backbone", "adanorm_num_embeddings"),
    "n_fft": ("head", "n_fft"),
}
"""Field -> where it stands below ``model.init_args``; the odd spelling is the original's."""


@dataclass(frozen=True)
class WavTokenizerSettings:
    """Constructor values of a model."""

    strides: tuple[int, ...]
    """In the config's order, the last one first in the encoder; their product is the hop."""
    num_filters: int
    """Width of the encoder's first convolution."""
    latent_channels: int
    """C."""
    num_codebooks: int
    codebook_size: int
    """Rows, V."""
    dim: int
    """Width of the backbone."""
    inner_dim: int
    """Width inside its ConvNeXt blocks."""
    blocks: int
    """ConvNeXt blocks."""
    norm_rows: int | None
    """Rows of the adaptive norms, of which ``bandwidth_id`` chooses one; None for plain norms."""
    n_fft: int
    sample_rate_hz: int = SAMPLE_RATE_HZ

    @property
    def hop_samples(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.strides)


def read_settings(state: Mapping[str, Tensor], config: Path | None, file: Path) -> WavTokenizerSettings:
    """Find the settings of the model with the tensors ``state`` (inference names), read from ``file``.

    What ``config`` states goes before what the shapes tell, so that a difference is noticed later. Raises
    ``CheckpointError`` that names the file and the fault.
    """
    values = {**_sizes(state, file), **(_stated(config) if config is not None else {})}
    settings = WavTokenizerSettings(**values)
    faults = {
        f"{settings.num_codebooks} codebooks; every WavTokenizer has one": settings.num_codebooks != 1,
        f"a backbone of width {settings.dim}; give a multiple of {GROUPS}": settings.dim % GROUPS,
        f"n_fft {settings.n_fft}; give an even number, at least the hop {settings.hop_samples}": (
            settings.n_fft % 2 or settings.n_fft < settings.hop_samples
        ),
    }
    for fault, there in faults.items():
        if there:
            raise CheckpointError(f"{config or file}: {fault}")
    return settings


def _sizes(state: Mapping[str, Tensor], file: Path) -> dict[str, Any]:
    """Values that shapes tell."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    kernels = {
        int(match[1]): shapes[name]
        for name in shapes
        if (match := re.fullmatch(r"encoder\.layers\.(\d+)\.conv\.parametrizations\.weight\.original1", name))
    }
    try:
        first, *strided, last = (kernels[index] for index in sorted(kernels))
        norm = shapes.get("backbone.norm.scale.weight")
        return {
            "strides": tuple(kernel // 2 for *_, kernel in reversed(strided)),
            "num_filters": first[0],
            "latent_channels": last[0],
            "num_codebooks": sum(
                re.fullmatch(r"quantizer\.layers\.\d+\.codebook\.embed", name) is not None for name in shapes
            ),
            "codebook_size": shapes["quantizer.layers.0.codebook.embed"][0],
            "dim": shapes["backbone.embed.weight"][0],
            "inner_dim": shapes["backbone.convnext.0.pwconv1.weight"][0],
            "blocks": sum(name.startswith("backbone.convnext.") and name.endswith(".gamma") for name in shapes),
            "norm_rows": None if norm is None else norm[0],
            "n_fft": shapes["head.out.bias"][0] - 2,
        }
    except (KeyError, ValueError, IndexError):
        raise CheckpointError(f"{file}: holds no WavTokenizer (encoder, codebook, backbone and head)") from None


def _stated(config: Path) -> dict[str, Any]:
    """Values of a YAML file; its other entries are about training."""
    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{config}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise CheckpointError(f"{config}: not YAML") from None
    model = _at(document, ("model", "init_args"))
    if not isinstance(model, Mapping) or not isinstance(model.get("backbone"), Mapping):
        raise CheckpointError(
            f"{config}: states no WavTokenizer (model.init_args with feature_extractor, backbone, head)"
        )
    found = {}
    for field, (part, *rest) in PATHS.items():
        value = _at(model, (part, "init_args", *rest) if rest else (part,))
        if value is not None:
            found[field] = _checked(field, value, config)
    head = _at(model, ("head", "init_args")) or {}
    if head.get("padding", "same") != "same":
        raise CheckpointError(f"{config}: head.padding is {head['padding']!r}; published models have 'same'")
    hop = head.get("hop_length")
    if hop is not None and "strides" in found and hop != math.prod(found["strides"]):
        raise CheckpointError(f"{config}: head.hop_length is {hop}, but the strides make {math.prod(found['strides'])}")
    return found


def _at(document: Any, path: tuple[str, ...]) -> Any:
    """Value at a path of keys, None where there is none."""
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _checked(field: str, value: Any, config: Path) -> Any:
    numbers = value if isinstance(value, list) and value else [value]
    if not all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in numbers):
        raise CheckpointError(f"{config}: {'.'.join(PATHS[field])} is {value!r}; give positive whole numbers")
    return tuple(numbers) if field == "strides" else value
