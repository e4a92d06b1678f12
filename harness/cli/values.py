"""Values that click does not know how to read: finite numbers, prompts, settings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, BinaryIO

import click

MAX_PROMPT_CHARACTERS = 4000


class FiniteRange(click.FloatRange):
    """A float range that also refuses NaN and infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what is not a finite number in the range."""
        number = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return super().convert(value, param, ctx)


def check_prompts(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse prompts no generator can use; an option's callback."""
    for text in value:
        fault = prompt_fault(text)
        if fault:
            raise click.BadParameter(fault)
    return value


def parse_settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """Read ``key=value`` pairs, values as JSON where they are JSON and as text otherwise; an option's callback."""
    settings: dict[str, Any] = {}
    for pair in value:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{pair!r} is not of the form key=value.")
        if key in settings:
            raise click.BadParameter(f"{key!r} was given twice.")
        try:
            settings[key] = json.loads(text, parse_constant=_refuse_constant)
        except ValueError:
            settings[key] = text
    return settings


def words(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Split ``a,b,c``, each once; an option's callback."""
    found = tuple(dict.fromkeys(part.strip() for part in (value or "").split(",") if part.strip()))
    if value is not None and not found:
        raise click.BadParameter("give at least one name.")
    return found


def numbers(low: float, high: float) -> Callable[[click.Context, click.Parameter, str | None], tuple[float, ...]]:
    """Make an option's callback that reads ``x,y,z`` between ``low`` and ``high``."""
    kind = FiniteRange(low, high)

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...]:
        return tuple(kind.convert(text, param, ctx) for text in words(ctx, param, value))

    return read


def integers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Split ``1,2,3`` into numbers of at least 0, each once; an option's callback."""
    numbers: dict[int, None] = {}
    for text in words(ctx, param, value):
        if not text.isdecimal():
            raise click.BadParameter(f"{text!r} is not a whole number of at least 0", ctx, param)
        numbers[int(text)] = None
    return tuple(numbers)


def prompt_fault(text: str) -> str | None:
    """Say what makes ``text`` unusable as a prompt, or None."""
    if "\0" in text:
        return "the prompt holds a NUL character; give plain text"
    if len(text) > MAX_PROMPT_CHARACTERS:
        return f"the prompt has {len(text)} characters; give at most {MAX_PROMPT_CHARACTERS}"
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        return "the prompt is not valid UTF-8"
    return None


def read_prompts(file: BinaryIO) -> list[str]:
    """Read one prompt a line from UTF-8 text (a byte order mark is skipped); blank lines do not count.

    Raises ``click.UsageError`` that names the file and the line.
    """
    name = getattr(file, "name", "standard input")
    prompts = []
    for number, row in enumerate(read_text(file).split("\n"), start=1):
        prompt = row.strip()
        fault = prompt_fault(prompt)
        if fault:
            raise click.UsageError(f"{name}, line {number}: {fault}")
        if prompt:
            prompts.append(prompt)
    if not prompts:
        raise click.UsageError(f"{name} holds no prompt; write one a line")
    return prompts


def read_text(file: BinaryIO) -> str:
    """Read UTF-8 text; a byte order mark is skipped. Raises ``click.UsageError`` that names the file and the line."""
    data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name, line = getattr(file, "name", "standard input"), data.count(b"\n", 0, error.start) + 1
        raise click.UsageError(f"{name}, line {line}: not UTF-8; save the file as UTF-8 text") from error


def _refuse_constant(name: str) -> None:
    """Leave NaN and Infinity, which are not JSON, as text."""
    raise ValueError(name)
