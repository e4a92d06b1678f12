"""The group behind ``harness``: loads commands when they are named, and turns every failure into one line."""

from __future__ import annotations

import pkgutil
import traceback
from collections.abc import Mapping
from typing import Any

import click

from harness.cli.options import DEBUG
from harness.errors import HarnessError
from harness.layout import check_layout

INTERRUPTED = 130


class HarnessGroup(click.Group):
    """A group whose commands are a table of names and where to find them."""

    def __init__(self, *args: Any, commands_table: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = commands_table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the table's order."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in self._table:
            return None
        command: click.Command = pkgutil.resolve_name(self._table[cmd_name])
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises becomes one line and an exit code, with a traceback after --debug."""
        try:
            check_layout()
            return super().invoke(ctx)
        except (click.exceptions.Exit, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            message, exit_code = explain(error)
            click.echo(f"error: {' '.join(message.split())}", err=True)
            ctx.exit(exit_code)


def explain(error: BaseException) -> tuple[str, int]:
    """Say what happened in one line, with the exit code that fits."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted", INTERRUPTED
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "harness"
        return f"{error.format_message()} (see '{command} --help')", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, HarnessError):
        return str(error), error.exit_code
    if _is_ours(error):
        from generators.base import RequestError  # torch is loaded already: something of ours has run

        return str(error), 2 if isinstance(error, RequestError) else 1
    return f"{type(error).__name__}: {error} (run again with --debug for the details)", 1


def _is_ours(error: BaseException) -> bool:
    """Say whether ``error`` is a ValueError that ``generators`` or ``analysis`` defines, or derived from one."""
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, ValueError) and bool(homes & {"generators", "analysis"})
