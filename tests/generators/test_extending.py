"""The example of docs/extending/generator.md runs as printed and passes the suite it recommends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from generators.base import GenerationRequest

PAGE = Path(__file__).parents[2] / "docs" / "extending" / "generator.md"


def run_blocks(page: Path) -> dict[str, Any]:
    """Execute every python block of a page in one namespace."""
    names: dict[str, Any] = {"__name__": page.stem}
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    return names


NAMES = run_blocks(PAGE)
TestDriftGenerator = NAMES["TestDriftGenerator"]


def test_example_follows_its_prompt() -> None:
    generator = NAMES["DriftGenerator"].from_pretrained()
    soft, loud = generator.generate_batch([GenerationRequest("a drone"), GenerationRequest("a loud drone")])
    assert not torch.equal(soft.latents, loud.latents)
