from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generators.diffusers_audio.generator import DiffusersGenerator
from tests.generators.diffusers_audio.tiny import generator


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], DiffusersGenerator]:
    """A tiny generator by its name in ``tiny.TINY``, built once."""
    return generator


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Audio as it lies on disk."""
    directory = tmp_path_factory.mktemp("pipeline") / "stable-audio"
    generator("stable-audio").save_pretrained(directory)
    return directory
