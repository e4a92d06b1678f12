"""Names and shapes of a trace file, as ``docs/trace-format.md`` fixes them; no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePath
from typing import Any

FORMAT = "audio-diffusion-trace"
FORMAT_VERSION = "1.0"
RESULT_BYTES = 65536
"""Room for what is known only at the end: seconds and notes."""
GUIDED = "guided"
"""Name of the velocity that the update used, on the branch axis."""
LOAD = "load"
"""Key of ``extra``: the settings that the generator was loaded with."""
DTYPES = ("float16", "float32", "float64")
"""What ``x_t``, ``velocity`` and hidden states may be stored as."""


@dataclass(frozen=True)
class HiddenLayout:
    """Shape of one module's captured outputs."""

    name: str
    """Module path in the denoiser."""
    steps: tuple[int, ...]
    """Captured update indices, increasing."""
    shape: tuple[int, ...]
    """Shape of one output of one request, after the stride, batch axis removed."""
    dtype: str
    """One of ``DTYPES``."""
    stride: int = 1
    """Every stride-th entry of the first inner axis was kept."""
    frames: bool = True
    """Whether that axis runs over the latent frames."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of ``shape``."""
        if len(self.shape) == 1:
            return ("feature",)
        inner = tuple(f"axis_{i}" for i in range(1, len(self.shape) - 1))
        return ("frame" if self.frames else "position", *inner, "feature")


@dataclass(frozen=True)
class Layout:
    """Every shape and dtype of a trace, known before its file is created."""

    times: tuple[float, ...]
    """t of all S + 1 states."""
    frames: int
    """T."""
    channels: int
    """C."""
    branches: tuple[str, ...]
    """Branches the denoiser runs, without ``guided``."""
    dtype: str
    """Stored dtype of states and velocities, one of ``DTYPES``."""
    audio_channels: int
    audio_samples: int
    """Room for the audio, an upper bound."""
    hidden: tuple[HiddenLayout, ...] = ()
    interventions: int = 0
    """How many interventions act, in the order of the list ``interventions`` in the attribute ``extra``."""

    @property
    def steps(self) -> int:
        """S, the number of updates."""
        return len(self.times) - 1

    @property
    def velocities(self) -> tuple[str, ...]:
        """Names along the branch axis of ``velocity``."""
        return (*self.branches, GUIDED)

    @property
    def predicted_bytes(self) -> int:
        """Size of the finished file; attributes beyond a few kilobytes of text are not counted."""
        states = len(self.times) + self.steps * len(self.velocities)
        size = states * self.frames * self.channels * _itemsize(self.dtype)
        size += self.audio_channels * self.audio_samples * 4 + RESULT_BYTES
        size += _structure_bytes(self.steps, (self.frames, self.channels)) + (1 << 16)
        if self.interventions:
            size += self.steps * self.interventions * 4 + _structure_bytes(self.steps, (self.interventions,))
        for hidden in self.hidden:
            numbers = len(hidden.steps) * len(self.branches) * math.prod(hidden.shape)
            size += numbers * _itemsize(hidden.dtype) + _structure_bytes(len(hidden.steps), hidden.shape)
        return size


def _structure_bytes(steps: int, axes: tuple[int, ...]) -> int:
    """Upper bound on what HDF5 spends on one group: headers, an index entry a step, dimension scales."""
    return 12_288 + 128 * steps + 8 * sum(axes)


def _itemsize(dtype: str) -> int:
    return int(dtype.removeprefix("float")) // 8


@dataclass(frozen=True)
class Metadata:
    """The root attributes that say what was run; each field is one attribute, mappings and tuples as JSON."""

    run_id: str
    created: str
    generator_id: str
    weights_sha256: str
    codec_id: str
    codec_weights_sha256: str
    frame_rate_hz: float
    sample_rate_hz: int
    seed: int
    source_dtype: str
    request: Mapping[str, Any]
    sampler: Mapping[str, Any]
    batch: tuple[Mapping[str, Any], ...]
    batch_index: int
    versions: Mapping[str, Any]
    hardware: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def attributes(self) -> dict[str, str | int | float]:
        """All fields in the form HDF5 attributes take."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: to_json(value) if name in JSON_ATTRIBUTES else value for name, value in values.items()}


JSON_ATTRIBUTES = ("request", "sampler", "batch", "versions", "hardware", "extra")


def to_json(value: Any) -> str:
    """ASCII JSON of plain values, mappings, sequences, paths and NumPy scalars; NaN is refused."""
    return json.dumps(value, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be recorded in a trace; use plain numbers, strings, lists, objects")
