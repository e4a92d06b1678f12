"""The short example of docs/extending/generator.md, installed as another package would be, runs by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from generators.base import GenerationRequest
from harness import open_trace
from harness.models import load_generator
from harness.pipeline import run
from tests.generators.test_extending import BLOCKS


@pytest.fixture
def hum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with one module, taken from the page, and one entry point."""
    first, *_ = BLOCKS
    head = first[: first.index("class Drift")]
    (tmp_path / "hum.py").write_text(head + next(block for block in BLOCKS if "class HumGenerator" in block))
    info = tmp_path / "hum-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hum\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.generators]\nhum = hum:HumGenerator\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("hum")
def test_an_installed_generator_is_traced(tmp_path: Path) -> None:
    generator = load_generator("hum")
    assert type(generator).__module__ == "hum"
    (result,) = run(generator, [GenerationRequest("anything", num_inference_steps=4)], tmp_path / "run", trace=True)
    assert result.trace is not None
    with open_trace(result.trace) as trace:
        assert (trace.generator_id, trace.steps, trace.complete) == ("hum", 4, True)
    generator.save_pretrained(tmp_path / "saved")
    assert load_generator(str(tmp_path / "saved")).id == "hum"
