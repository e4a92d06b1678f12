"""The group behind ``harness``: loads commands when they are named, and turns every failure into one line."""

from __future__ import annotations

import pkgutil
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from harness.cli.options import DEBUG, as_typed
from harness.errors import HarnessError
from harness.layout import check_layout
from harness.registry import unknown

INTERRUPTED = 130


class HarnessGroup(click.Group):
    """A group whose commands are tables of names and where to find them, one a section."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sections = sections
        self._table = {name: place for section in sections.values() for name, place in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the tables."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in self._table:
            return None
        command: click.Command = pkgutil.resolve_name(self._table[cmd_name])
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            _end(ctx, error)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was named, or say which name is the nearest."""
        if args[0] not in self._table and not args[0].startswith("-"):
            raise click.UsageError(unknown("command", args[0], self._table), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every section, all in the same columns."""
        width = max(map(len, self._table))
        for title, names in self._sections.items():
            commands = [(name.ljust(width), self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, one.get_short_help_str(formatter.width)) for name, one in commands if one])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises becomes one line and an exit code, with a traceback after --debug."""
        try:
            check_layout()
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            _end(ctx, error)


def _end(ctx: click.Context, error: BaseException) -> NoReturn:
    if ctx.meta.get(DEBUG):
        traceback.print_exc()
    group, name = ctx.command, ctx.invoked_subcommand
    command = group.get_command(ctx, name) if isinstance(group, click.Group) and name else None
    message, exit_code = explain(error, command)
    click.echo(f"error: {' '.join(message.split())}", err=True)
    ctx.exit(exit_code)


def explain(error: BaseException, command: click.Command | None = None) -> tuple[str, int]:
    """Say what happened in one line, in the words of the command that was run, with the exit code that fits."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted", INTERRUPTED
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "harness"
        return f"{error.format_message()} (see '{path} --help')", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, HarnessError):
        return str(error), error.exit_code
    if _is_ours(error):
        from generators.base import RequestError  # torch is loaded already: something of ours has run

        return (as_typed(str(error), command), 2) if isinstance(error, RequestError) else (str(error), 1)
    return f"{type(error).__name__}: {error} (run again with --debug for the details)", 1


def _is_ours(error: BaseException) -> bool:
    """Say whether ``error`` is a ValueError that ``generators`` or ``analysis`` defines, or derived from one."""
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, ValueError) and bool(homes & {"generators", "analysis"})
