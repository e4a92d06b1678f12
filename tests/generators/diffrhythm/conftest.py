from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from generators.diffrhythm import DiffRhythmTransformer, load_transformer
from tests.generators.diffrhythm.vectors import joined, locate

Loader = Callable[[str], DiffRhythmTransformer]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Load one of the recorded networks by name."""

    def load(name: str) -> DiffRhythmTransformer:
        folder: Path = tmp_path_factory.mktemp(name)
        match name:
            case "base":
                return load_transformer(locate("base/cfm_model.pt"))
            case "base_half":
                return load_transformer(locate("base/cfm_model.pt"), dtype=torch.float16)
            case "legacy":
                return load_transformer(locate("base/cfm_model.pt"), attention="causal")
            case "full":
                return load_transformer(joined(folder, "base/cfm_model.pt", "full/duration_part.pt"), max_frames=6144)
            case "tiny_full":
                return load_transformer(locate("tiny_full/cfm_model.pt"), max_frames=6144)
            case _:
                parts = ("tiny_full/cfm_model.pt", "tiny_full/long_skip_part.pt")
                return load_transformer(joined(folder, *parts), max_frames=6144)

    return functools.cache(load)
