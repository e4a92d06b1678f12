"""Moves on disk: one safetensors file, numbers as float16, what they are for in its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from analysis.moves.moves import TENSORS, Moves
from analysis.source import Source

FORMAT = "audio-diffusion-harness moves"


def save_moves(moves: Moves, path: Path) -> None:
    """Write ``moves``."""
    tensors = {name: getattr(moves, name) for name in TENSORS}
    for index, (weight, bias) in enumerate(moves.gauge):
        tensors |= {f"gauge.{index}.weight": weight, f"gauge.{index}.bias": bias}
    about = {
        "format": FORMAT,
        "source": moves.source.to_json(),
        "classed": moves.classed,
        "first": moves.first,
        "width": moves.width,
        "gradual": list(moves.gradual),
    }
    save_file({name: value.half().contiguous() for name, value in tensors.items()}, path, {"about": json.dumps(about)})


def load_moves(path: Path) -> Moves:
    """Read what ``save_moves`` wrote. Raises ``ValueError`` for a file that is not that."""
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no mapping)
        if about.pop("format") != FORMAT:
            raise KeyError("format")
        layers = range(sum(name.endswith(".weight") for name in tensors))
        return Moves(
            source=Source.from_json(about.pop("source")),
            gradual=tuple(about.pop("gradual")),
            gauge=tuple((tensors[f"gauge.{i}.weight"], tensors[f"gauge.{i}.bias"]) for i in layers),
            **about,
            **{name: tensors[name] for name in TENSORS},
        )
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a file of moves, or it is damaged ({error})") from error
