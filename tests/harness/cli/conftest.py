from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner, Result

from harness.cli import cli


class Invoke(Protocol):
    def __call__(self, *args: str | Path, stdin: str | bytes | None = None) -> Result: ...


@pytest.fixture
def invoke() -> Invoke:
    """Run ``harness ARGS`` in this process; standard output and error stay apart."""

    def run(*args: str | Path, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="harness", input=stdin)

    return run


@pytest.fixture
def generate(invoke: Invoke, tmp_path: Path) -> Any:
    """Run ``harness generate`` on the closed-form generator into ``tmp_path/run``, two steps unless told otherwise."""

    def run(*args: str | Path, stdin: str | bytes | None = None) -> Result:
        small = () if "--steps" in args else ("--steps", "2")
        return invoke(
            "generate", "--generator", "closed-form", "--duration", "0.2", "--out", tmp_path / "run", *small, *args,
            stdin=stdin,
        )  # fmt: skip

    return run
