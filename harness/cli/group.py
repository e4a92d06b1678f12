"""The group behind ``harness``: loads commands when they are named, and turns every failure into one line."""

from __future__ import annotations

import pkgutil
import traceback
from collections.abc import Mapping
from typing import IO, Any

import click

from harness.cli.options import DEBUG
from harness.errors import HarnessError
from harness.layout import check_layout

INTERRUPTED = 130


class Failure(click.ClickException):
    """A message for standard error and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print ``error: message``."""
        click.echo(f"error: {self.message}", file=file, err=file is None)


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
        except (click.exceptions.Exit, click.Abort, BrokenPipeError, Failure):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            raise failure(error) from error


def failure(error: BaseException) -> Failure:
    """Say what happened in one line, with the exit code that fits."""
    if isinstance(error, KeyboardInterrupt):
        return Failure(str(error) or "interrupted", INTERRUPTED)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "harness"
        return Failure(f"{error.format_message()} (see '{command} --help')", error.exit_code)
    if isinstance(error, click.ClickException):
        return Failure(error.format_message(), error.exit_code)
    if isinstance(error, HarnessError):
        return Failure(str(error), error.exit_code)
    if _is_ours(error):
        from generators.base import RequestError  # already loaded: it raised

        return Failure(str(error), HarnessError.exit_code if not isinstance(error, RequestError) else 2)
    return Failure(f"{type(error).__name__}: {error} (run again with --debug for the details)", 1)


def _is_ours(error: BaseException) -> bool:
    """Say whether ``error`` is a ValueError that ``generators`` or ``analysis`` defines, or derived from one."""
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, ValueError) and bool(homes & {"generators", "analysis"})
