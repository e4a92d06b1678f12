"""Options of the commands that run a recorded generation again: how its generator is loaded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import device_option
from harness.cli.values import parse_settings

if TYPE_CHECKING:
    from generators.base import Generator
    from harness.store.reader import Trace


@dataclass(frozen=True)
class Loading:
    """What was asked for, besides what the trace says."""

    device: str
    settings: dict[str, Any]
    trust_remote_code: bool

    def generator_of(self, trace: Trace) -> Generator:
        """Load the generator as it was, in the type of number it had. Raises ``InputError``."""
        from harness.models import DTYPES, REMOTE_CODE, load_generator_of

        settings = {**self.settings, REMOTE_CODE: True} if self.trust_remote_code else self.settings
        dtype = str(trace.metadata["source_dtype"])
        return load_generator_of(
            trace, device=self.device, dtype=dtype if dtype in DTYPES else "float32", settings=settings
        )


def loading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--device``, ``--load`` and ``--trust-remote-code``; the command gets them as one argument ``loading``."""

    @device_option
    @click.option(
        "--load",
        "load_settings",
        callback=parse_settings,
        multiple=True,
        metavar="KEY=VALUE",
        help="What the generator takes when it is loaded, if not as the run says.",
    )
    @click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a model of the hub.")
    @functools.wraps(command)
    def wrapped(*, device: str, load_settings: dict[str, Any], trust_remote_code: bool, **others: Any) -> None:
        command(loading=Loading(device, load_settings, trust_remote_code), **others)

    return wrapped
