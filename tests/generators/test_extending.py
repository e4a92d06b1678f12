"""The example of docs/extending/generator.md runs as printed and passes the suite it recommends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import torch

from generators.base import GenerationRequest, Generator
from generators.testing import GeneratorTests

PAGE = Path(__file__).parents[2] / "docs" / "extending" / "generator.md"


BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
"""Every python block of the page."""


def run_blocks() -> dict[str, Any]:
    """Execute the blocks in one namespace."""
    names: dict[str, Any] = {"__name__": PAGE.stem}
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), names)
    return names


NAMES = run_blocks()
TestDriftGenerator = NAMES["TestDriftGenerator"]


class TestHumGenerator(GeneratorTests):
    def generator(self) -> Generator:
        return cast(Generator, NAMES["HumGenerator"].from_pretrained())


def test_short_example_is_short() -> None:
    block = next(text for text in BLOCKS if "class HumGenerator" in text)
    lines = [line for line in block[block.index("class HumGenerator") :].splitlines() if line.strip()]
    assert len(lines) <= 15


def test_example_follows_its_prompt() -> None:
    generator = NAMES["DriftGenerator"].from_pretrained()
    soft, loud = generator.generate_batch([GenerationRequest("a drone"), GenerationRequest("a loud drone")])
    assert not torch.equal(soft.latents, loud.latents)
