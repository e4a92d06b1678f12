"""The import rule, read off the source of all three packages (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
PACKAGES = ("generators", "analysis", "harness")
FORBIDDEN = {"generators": {"analysis", "harness"}, "analysis": {"generators", "harness"}, "harness": set()}

LAYERS = {
    "errors": 0,
    "pipeline": 2,
    "compare": 2,
    "report": 2,
    "steering": 2,
    "reproduce": 2,
    "doctor": 2,
    "recipe": 3,
    "cli": 3,
    "__main__": 4,
}
"""Order inside ``harness``; whatever is not named here is in layer 1. Imports go down or sideways."""
SERVICES = 1


def imports(source: str, module: str) -> Iterator[str]:
    """Full names of the modules ``source`` imports, wherever in the file; relative ones resolved against ``module``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = module.rsplit(".", node.level)[0] + "." if node.level else ""
            base = (start + (node.module or "")).rstrip(".")
            yield from (name if is_module(name := f"{base}.{alias.name}") else base for alias in node.names)


def is_module(name: str) -> bool:
    path = HOME.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def layer(module: str) -> int:
    """Layer of a module of ``harness``; the package itself, which holds the version, is below all."""
    parts = module.split(".")
    return LAYERS.get(parts[1], SERVICES) if len(parts) > 1 else 0


def faults(source: str, module: str) -> list[str]:
    """What ``source``, standing at ``module``, imports against the rule."""
    package = module.partition(".")[0]
    found = []
    for name in imports(source, module):
        if name.partition(".")[0] in FORBIDDEN[package]:
            found.append(f"{module} imports {name}")
        elif name.partition(".")[0] == package == "harness" and module != "harness" and layer(name) > layer(module):
            found.append(f"{module} (layer {layer(module)}) imports {name} (layer {layer(name)})")
    return found


def modules() -> list[tuple[str, Path]]:
    files = [file for package in PACKAGES for file in sorted((HOME / package).rglob("*.py"))]
    return [(".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__"), file) for file in files]


def test_the_rule_is_kept():
    checked = modules()
    assert len(checked) > 20
    assert [fault for module, file in checked for fault in faults(file.read_text(encoding="utf-8"), module)] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("generators.mini", "import harness"),
        ("generators.mini.codec", "from analysis.properties import pitch"),
        ("analysis.emergence", "def f():\n    from generators.base import Generator"),
        ("harness.store.reader", "from harness.report import page"),
        ("harness.store.reader", "from harness import pipeline"),
        ("harness.errors", "from harness.runs import TRACE"),
        ("harness.pipeline", "import harness.cli.console"),
        ("harness.report.page", "from ..cli import console"),
    ],
)
def test_the_check_can_fail(module, source):
    assert faults(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("harness.cli.generate", "from harness.pipeline import run"),
        ("harness.report.page", "from harness.pipeline import Progress"),
        ("harness.provenance", "from harness import __version__"),
        ("harness.pipeline", "from analysis.properties import pitch\nfrom generators.base import Generator"),
    ],
)
def test_what_is_allowed(module, source):
    assert faults(source, module) == []
