"""Write docs/cli.md from the commands themselves; ``make docs`` runs it, a test checks that it was run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import cli

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Command line

<!-- Written by `make docs` from the commands themselves; edit their help instead. -->

Every command takes `--json` (one JSON document on standard output, everything for people on standard error) and
`--debug` (the traceback of an error). Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted. A failure
is one line on standard error and leaves standard output empty.
"""


def reference() -> str:
    """Return the whole page."""
    root = click.Context(cli, info_name="harness", terminal_width=100)
    parts = [HEAD, _section("harness", cli, root)]
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        if command is None:
            raise LookupError(name)
        parts += _sections(command, click.Context(command, info_name=name, parent=root, terminal_width=100))
    return "\n".join(parts)


def _sections(command: click.Command, context: click.Context) -> list[str]:
    """Sections of a command and, if it is a group, of its subcommands."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    below = [click.Context(child, info_name=child.name, parent=context, terminal_width=100) for child in inner]
    own = _section(context.command_path, command, context)
    return [own, *(section for child in below for section in _sections(child.command, child))]


def _section(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
