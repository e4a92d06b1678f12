"""What a command shows: words for people, or one JSON document, and a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from harness.cli.options import JSON


def wants_json() -> bool:
    """Say whether ``--json`` was given."""
    return bool(click.get_current_context().meta.get(JSON))


def say(text: str) -> None:
    """Print a line for people: on standard output, or on standard error beside ``--json``."""
    click.echo(text, err=wants_json())


def answer(document: Mapping[str, Any]) -> None:
    """Print the JSON document, if one was asked for."""
    if wants_json():
        click.echo(json.dumps(document, indent=2, allow_nan=False))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, left: Collection[str] = ()) -> None:
    """Print a table for people: the first column and those named in ``left`` to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        shown = [
            cell.ljust(width) if index == 0 or columns[index] in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(["", *shown]).rstrip())


def quoted(text: str, limit: int = 72) -> str:
    """Quote a user's text for one line: shortened, and with control characters made visible."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown) + '"'


@contextmanager
def progress_bar(unit: str = "it") -> Iterator[Callable[[str, int, int], None]]:
    """Yield a progress callback that draws a bar on a terminal and does nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from tqdm import tqdm

    with tqdm(leave=False, dynamic_ncols=True, file=sys.stderr, unit=unit, unit_scale=unit == "B") as bar:

        def show(what: str, done: int, total: int) -> None:
            bar.set_description(what, refresh=False)
            bar.total = total
            bar.n = done
            bar.refresh()

        yield show
