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
        context = click.Context(command, info_name=name, parent=root, terminal_width=100)
        parts.append(_section(f"harness {name}", command, context))
    return "\n".join(parts)


def _section(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
