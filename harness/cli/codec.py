"""Options that name a codec and how to load it, for the commands that encode recordings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from harness.cli.values import FiniteRange

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_BANDWIDTHS = ("bandwidth_kbps", "bandwidth_id")
_OPTIONS = (
    click.option("--codec", default="mini", show_default=True, metavar="NAME", help="See 'harness list'."),
    click.option("--weights", type=click.Path(exists=True), metavar="PATH", help="The codec's checkpoint."),
    click.option("--hub", metavar="ID", help="Instead: a repository of the hub, such as facebook/encodec_48khz."),
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="What the checkpoint does not state (EnCodec: JSON, WavTokenizer: YAML).",
    ),
    click.option(
        "--bandwidth-kbps", type=FiniteRange(min=0, min_open=True), metavar="X", help="Of EnCodec's codes.  [all]"
    ),
    click.option("--bandwidth-id", type=click.IntRange(0), metavar="N", help="Row of WavTokenizer's norms.  [0]"),
)


def codec_given() -> bool:
    """Say whether the command line that is being run names a codec, or how to load one."""
    context, names = click.get_current_context(), ("codec", "weights", "hub", "config", *_BANDWIDTHS)
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names)


def codec_options(function: Decorated) -> Decorated:
    """Add the options; the command gets them as one argument ``codec``, the keywords of ``CodecSpec``."""

    @functools.wraps(function)
    def gather(**values: Any) -> Any:
        names = ("weights", "config", *_BANDWIDTHS)
        given = {"name": values["codec"], **{name: values.pop(name) for name in names}}
        hub = values.pop("hub")
        if hub and given["weights"]:
            raise click.UsageError("give --weights or --hub, not both")
        values["codec"] = {**given, "weights": given["weights"] or hub}
        return function(**values)

    for option in reversed(_OPTIONS):
        gather = option(gather)
    return gather  # type: ignore[return-value]
