"""What an EnCodec model is made of: read off its tensors, and from the file that states the rest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from generators.base import CheckpointError
from generators.codecs.encodec.names import codebook_name
from generators.codecs.encodec.segments import Segments

KEYS = {
    "sample_rate_hz": ("sample_rate", "sampling_rate"),
    "channels": ("channels", "audio_channels"),
    "num_filters": ("n_filters", "num_filters"),
    "latent_channels": ("dimension", "hidden_size"),
    "strides": ("ratios", "upsampling_ratios"),
    "num_codebooks": ("n_q",),
    "codebook_size": ("bins", "codebook_size"),
    "causal": ("causal", "use_causal_conv"),
    "norm": ("norm", "norm_type"),
    "normalize": ("normalize",),
    "segment_s": ("segment", "chunk_length_s"),
    "overlap": ("overlap",),
    "bandwidths_kbps": ("target_bandwidths",),
}
"""Field -> what the original's constructors and transformers call it."""


@dataclass(frozen=True)
class EncodecSettings:
    """Constructor values of a model."""

    sample_rate_hz: int
    channels: int
    """Audio channels."""
    num_filters: int
    """Width of the first convolution."""
    latent_channels: int
    """C."""
    strides: tuple[int, ...]
    """In the decoder's order; their product is the hop."""
    num_codebooks: int
    codebook_size: int
    """Rows of each, V."""
    causal: bool
    norm: str
    """``weight_norm`` or ``time_group_norm``."""
    normalize: bool
    """Whether every segment is brought to one loudness first."""
    segment_s: float | None
    """None: the whole signal at once."""
    overlap: float
    """Share of a segment that the next one has too."""
    bandwidths_kbps: tuple[float, ...]
    """Those the model was trained for, ascending."""

    @property
    def hop_samples(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.strides)

    @property
    def segments(self) -> Segments | None:
        """How a signal is cut, if it is."""
        if self.segment_s is None:
            return None
        length = int(self.segment_s * self.sample_rate_hz)
        return Segments(length, max(1, int((1 - self.overlap) * length)), self.hop_samples)

    def codebooks_at(self, bandwidth_kbps: float | None) -> int:
        """Codebooks in use at a bandwidth; all for None. Raises ``ValueError`` for one the model does not know."""
        if bandwidth_kbps is None:
            return self.num_codebooks
        if bandwidth_kbps not in self.bandwidths_kbps:
            known = ", ".join(f"{one:g}" for one in self.bandwidths_kbps)
            raise ValueError(f"bandwidth_kbps is {bandwidth_kbps}; this EnCodec model has {known}")
        frame_rate_hz = math.ceil(self.sample_rate_hz / self.hop_samples)
        per_codebook_kbps = math.log2(self.codebook_size) * frame_rate_hz / 1000
        return min(max(1, math.floor(bandwidth_kbps / per_codebook_kbps)), self.num_codebooks)


PUBLISHED = (
    EncodecSettings(
        24000, 1, 32, 128, (8, 5, 4, 2), 32, 1024, True, "weight_norm", False, None, 0.01, (1.5, 3.0, 6.0, 12.0, 24.0)
    ),
    EncodecSettings(
        48000, 2, 32, 128, (8, 5, 4, 2), 16, 1024, False, "time_group_norm", True, 1.0, 0.01, (3.0, 6.0, 12.0, 24.0)
    ),
)


def read_settings(state: Mapping[str, Tensor], stated: Mapping[str, Any], file: Path) -> EncodecSettings:
    """Find the settings of the model with the tensors ``state`` (transformers' names), read from ``file``.

    Sizes come from the shapes; what is ``stated`` (``stated_values``) goes before them, so that a difference is noticed
    later. What neither tells is as in the published model of the same sizes; another model has to state it.

    Raises ``CheckpointError`` that names the file and what is missing in it.
    """
    sizes = _sizes(state, file)
    values = {**sizes, **stated}
    published = next((one for one in PUBLISHED if all(getattr(one, key) == values[key] for key in sizes)), None)
    if "sample_rate_hz" not in values and published is None:
        raise CheckpointError(
            f"{file}: an EnCodec model of other sizes than the published ones; its sample rate is stated nowhere, "
            "give a config (JSON with sample_rate, normalize, segment, ...)"
        )
    base = published or PUBLISHED[0]
    rest = {key: getattr(base, key) for key in KEYS if key not in values}
    if published is None:
        rest |= {key: default for key, default in _defaults(values).items() if key in rest}
    return EncodecSettings(**{**rest, **values})


def read_config(config: Path) -> dict[str, Any]:
    """Values that a JSON file states. Raises ``CheckpointError`` that names the file and what is wrong in it."""
    try:
        document = json.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{config}: cannot be read ({error.strerror})") from None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CheckpointError(f"{config}: not a JSON object")
    return stated_values(document, str(config))


def stated_values(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Fields that a mapping in the original's or in transformers' words states; its other entries are not ours.

    Raises ``CheckpointError`` when there are none or one is impossible.
    """
    found = {field: document[key] for field, keys in KEYS.items() for key in keys if key in document}
    if not found:
        raise CheckpointError(f"{where}: states nothing of an EnCodec model (sample_rate, channels, ratios, ...)")
    if found.get("overlap", 0) is None:  # transformers writes the 24 kHz model's so
        del found["overlap"]
    return {field: _checked(field, value, where) for field, value in found.items()}


def _defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the original's constructors take where a model of other sizes says nothing."""
    frame_rate_hz = math.ceil(values["sample_rate_hz"] / math.prod(values["strides"]))
    most = values["num_codebooks"] * math.log2(values["codebook_size"]) * frame_rate_hz / 1000
    return {"causal": values["norm"] == "weight_norm", "normalize": False, "bandwidths_kbps": (most,)}


def _sizes(state: Mapping[str, Tensor], file: Path) -> dict[str, Any]:
    """Values that shapes tell."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    kernels = {
        int(match[1]): shapes[name]
        for name in shapes
        if (
            match := re.fullmatch(r"encoder\.layers\.(\d+)\.conv\.(?:weight|parametrizations\.weight\.original1)", name)
        )
    }
    books = [name for name in shapes if re.fullmatch(codebook_name(r"\d+"), name)]
    if len(kernels) < 3 or not books:
        raise CheckpointError(f"{file}: holds no EnCodec model (no encoder.model.*, or no quantizer.*)")
    first, *strided, last = (kernels[index] for index in sorted(kernels))
    return {
        "channels": first[1],
        "num_filters": first[0],
        "latent_channels": last[0],
        "strides": tuple(kernel // 2 for *_, kernel in reversed(strided)),
        "num_codebooks": len(books),
        "codebook_size": shapes[books[0]][0],
        "norm": "time_group_norm" if "encoder.layers.0.norm.weight" in shapes else "weight_norm",
    }


def _checked(field: str, value: Any, where: str) -> Any:
    """Return a value as its field holds it. Raises ``CheckpointError`` naming the key."""
    positive = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    numbers = isinstance(value, list | tuple) and all(isinstance(one, int | float) and one > 0 for one in value)
    fits, made = {
        "norm": (value in ("weight_norm", "time_group_norm"), value),
        "causal": (isinstance(value, bool), value),
        "normalize": (isinstance(value, bool), value),
        "segment_s": (value is None or positive, value),
        "overlap": (isinstance(value, int | float) and 0 <= value < 1, value),
        "strides": (numbers and value, tuple(map(int, value)) if numbers else ()),
        "bandwidths_kbps": (numbers and value, tuple(sorted(map(float, value))) if numbers else ()),
    }.get(field, (positive and value == int(value), value))
    if not fits:
        raise CheckpointError(f"{where}: {' / '.join(KEYS[field])} is {value!r}, which no EnCodec model has")
    return made
