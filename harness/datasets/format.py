"""Names and records of a data set file, as ``docs/dataset-format.md`` fixes them; no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from analysis.probes.splits import DEFAULT_SPLIT
from analysis.source import Source

FORMAT = "audio-diffusion-dataset"
FORMAT_VERSION = "1.2"
SPLITS = ("train", "validation", "test")
"""Splits in the order their rows stand in the file."""

Pool = Literal["frames", "mean"]
Classes = Mapping[str, Mapping[str, str]]
"""What a file as a whole is: name of the class label (such as ``singer``) -> input -> class, empty for none."""


class Output(NamedTuple):
    """One data set of a build."""

    path: Path
    plan: Plan
    columns: slice
    """Its part of the vectors that were collected."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a data set holds, apart from the inputs themselves."""

    source: Source
    """What the vectors are."""
    frame_rate_hz: float
    sample_rate_hz: int
    """Rate of the audio that the properties are measured on."""
    properties: tuple[str, ...]
    """Names in ``analysis.properties.PROPERTIES``."""
    times: tuple[float, ...] = (1.0,)
    """The t that were asked for, ascending; 1 for clean latents."""
    shares: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_SPLIT))
    """Share of the groups in each split."""
    seed: int = 0
    """Seed of the split."""
    pool: Pool = "frames"
    """``mean``: one row an input, the mean over its frames."""
    codec: Mapping[str, Any] | None = None
    """How the codec of latents was loaded (``harness.codecs.CodecSpec``); None for other vectors."""
    layers: tuple[str, ...] = ()
    """Hook points whose vectors were collected side by side, to become a data set each; empty = the source alone."""

    def outputs(self, out: Path) -> list[Output]:
        """List the data sets of a build: ``out``, or one ``NAME.LAYER.h5`` beside it for each of several layers."""
        if not self.layers:
            return [Output(out, self, slice(None))]
        width = self.source.d_in // len(self.layers)
        return [
            Output(
                out if len(self.layers) == 1 else out.with_name(f"{out.stem}.{layer}{out.suffix}"),
                replace(self, source=replace(self.source, hook_point=layer, d_in=width), layers=()),
                slice(index * width, (index + 1) * width),
            )
            for index, layer in enumerate(self.layers)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class FileRecord:
    """One input: an audio file, a rendered clip, or a trace."""

    name: str
    """Path as it was given, or what the clip is."""
    sha256: str
    """Of the input's bytes."""
    group: str
    """What is never split: the content's digest, so that two copies of a file go to the same side."""
    split: str
    """One of ``SPLITS``."""
    sample_rate_hz: int
    """Of the input."""
    channels: int
    """Audio channels of the input."""
    samples: int
    """Length of the input per channel."""
    rows: int
    """Vectors it gave."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``dataclasses.asdict`` gave."""
        return cls(**{item.name: values[item.name] for item in fields(cls)})


@dataclass(frozen=True)
class Part:
    """What one input adds to a data set; n rows."""

    file: FileRecord
    vectors: np.ndarray
    """float32 ``[n, d_in]``."""
    t: np.ndarray
    """float32 ``[n]``: time of each vector, 1 for clean latents. All frames of one t before the next."""
    labels: Mapping[str, np.ndarray]
    """Property -> float32 ``[n]`` or ``[n, D]``, NaN where the property does not exist."""


@dataclass(frozen=True)
class Skipped:
    """An input that could not be used."""

    name: str
    reason: str
    """One sentence."""


def dumps(value: Any) -> str:
    """ASCII JSON of plain values; NaN is refused."""
    return json.dumps(value, allow_nan=False, sort_keys=True)
