"""Options that several commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.values import FiniteRange, parse_settings

DEBUG = "harness.debug"
JSON = "harness.json"

REQUEST_FLAGS = {"num_inference_steps": "--steps", "duration_s": "--duration", "audio_length_s": "--duration"}
"""Flags that are not called like the field of a request that they give."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _noted_flag(name: str, key: str, explanation: str) -> Callable[[Decorated], Decorated]:
    """Make a flag that is not an argument of the command but noted where all code of this invocation finds it."""

    def note(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        ctx.meta[key] = ctx.meta.get(key, False) or value

    return click.option(name, is_flag=True, is_eager=True, expose_value=False, callback=note, help=explanation)


debug_option = _noted_flag("--debug", DEBUG, "Show the traceback of an error.")
json_option = _noted_flag(
    "--json", JSON, "Print one JSON document on standard output, everything else on standard error."
)
force_option = click.option("--force", is_flag=True, help="Replace what is already there.")
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
guidance_scale_option = click.option(
    "--guidance-scale", type=FiniteRange(min=0), metavar="X", help="0 switches guidance off."
)
duration_option = click.option(
    "--duration", type=FiniteRange(min=0, min_open=True), metavar="SECONDS", help="Length of the audio."
)
settings_option = click.option(
    "--set",
    "settings",
    callback=parse_settings,
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the generator's own.",
)
_FOLDER = click.Path(path_type=Path)
_FITTED = (
    click.option("--sae", type=_FOLDER, metavar="DIR", help="SAE to use instead of the shipped one; needs --probes."),
    click.option("--probes", type=_FOLDER, metavar="DIR", help="Probes to use instead of the shipped ones."),
)


def as_typed(message: str, command: click.Command | None) -> str:
    """Replace fields and options of a request, `name` in a message, by the flags of ``command`` that give them."""
    flags = {flag for param in command.params for flag in param.opts} if command is not None else set()

    def typed(name: re.Match[str]) -> str:
        flag = REQUEST_FLAGS.get(name[1], f"--{name[1].replace('_', '-')}")
        return flag if flag in flags else f"'{name[1]}'"

    return re.sub(r"`(\w+)`", typed, message)


def fitted_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--sae`` and ``--probes``, the former never alone."""

    @functools.wraps(command)
    def wrapped(*, sae: Path | None, probes: Path | None, **others: Any) -> None:
        if sae is not None and probes is None:
            raise click.UsageError("--sae needs --probes: probes read the features of one SAE only")
        command(sae=sae, probes=probes, **others)

    for option in reversed(_FITTED):
        wrapped = option(wrapped)
    return wrapped
