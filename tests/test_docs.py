"""The documentation is true: commands parse, code runs, links lead somewhere, the reference is current."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from harness.cli import SECTIONS, cli

HOME = Path(__file__).parents[1]
NAMES = [name for section in SECTIONS.values() for name in section]
PAGES = [HOME / "README.md", HOME / "CONTRIBUTING.md", *sorted((HOME / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|#)([^)#]+)[^)]*\)")


def blocks(page: Path, *languages: str) -> list[str]:
    """Contents of a page's fenced code blocks in any of ``languages``."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language in languages]


def commands() -> list[str]:
    """Every ``harness ...`` line in the shell blocks of all pages."""
    lines = [line for page in PAGES for block in blocks(page, "sh", "bash") for line in block.splitlines()]
    return sorted({line.partition("  #")[0].strip() for line in lines if line.startswith("harness ")})


def test_reference_is_current():
    spec = importlib.util.spec_from_file_location("build_cli", HOME / "docs" / "build_cli.py")
    assert spec is not None
    assert spec.loader is not None
    build_cli = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_cli)
    assert build_cli.PAGE.read_text(encoding="utf-8") == build_cli.reference(), "run `make docs`"
    assert [f"## harness {name}\n" in build_cli.reference() for name in NAMES] == [True] * len(NAMES)


def test_every_option_has_help():
    root = click.Context(cli)
    for name in NAMES:
        command = cli.get_command(root, name)
        assert command is not None
        assert command.help
        assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


def test_there_are_commands_to_check():
    assert any(line.startswith("harness generate") for line in commands())


@pytest.mark.parametrize("line", commands())
def test_documented_commands_parse(line):
    _, name, *args = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"no command {name}"
    command.make_parser(click.Context(command)).parse_args(args)


def test_readme_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks(HOME / "README.md", "python")
    assert code
    names: dict = {}  # the second block goes on from the first
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOME)))
def test_links_lead_somewhere(page):
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_make_explains_every_target():
    makefile = (HOME / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split())
    assert targets >= {"demo", "test", "check", "bench", "docs", "lock", "clean", "mini"}
    # Under `make test` this make is a nested one, which would announce the folder it works in.
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in shown.splitlines()} == targets
