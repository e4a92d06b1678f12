"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

DEBUG = "harness.debug"
JSON = "harness.json"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _remember(key: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Make a callback that notes a flag where every command of this invocation finds it."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        ctx.meta[key] = ctx.meta.get(key, False) or value

    return remember


def debug_option(command: Decorated) -> Decorated:
    """Add ``--debug``."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember(DEBUG),
        help="Show the traceback of an error.",
    )(command)


def json_option(command: Decorated) -> Decorated:
    """Add ``--json``."""
    return click.option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember(JSON),
        help="Print one JSON document on standard output, everything else on standard error.",
    )(command)


def force_option(command: Decorated) -> Decorated:
    """Add ``--force``."""
    return click.option("--force", is_flag=True, help="Replace what is already there.")(command)
