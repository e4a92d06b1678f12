"""Options of ``harness generate`` and ``harness replay`` that change what is generated."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import fitted_options

if TYPE_CHECKING:
    from generators.base import Generator
    from harness.decoding.artifacts import Artifacts
    from harness.interventions.base import Intervention

FOLDER = click.Path(path_type=Path)


@dataclass(frozen=True)
class Steering:
    """What was asked for; texts are read once the generator is there."""

    steer: tuple[str, ...] = ()
    patch: tuple[str, ...] = ()
    script: Path | None = None
    sae: Path | None = None
    probes: Path | None = None
    hidden_saes: tuple[Path, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether anything is to be changed."""
        return bool(self.steer or self.patch or self.script)

    def parsed(self) -> list[Intervention]:
        """Read ``--patch`` and ``--steer``, in this order. Raises ``InputError``."""
        if not (self.steer or self.patch):
            return []
        from harness.interventions.grammar import parse_patch, parse_steer

        return [*map(parse_patch, self.patch), *map(parse_steer, self.steer)]

    def artifacts(self, generator: Generator) -> Artifacts | None:
        """Load the SAEs and probes that were given, or those shipped; None where there are neither."""
        from harness.decoding import artifacts as load

        source, hidden = load.latent_source(generator.codec), load.read_hidden_saes(self.hidden_saes)
        if self.probes is None:
            found = load.shipped_artifacts(source)
        else:
            found = load.read_artifacts(source, self.probes, self.sae)
        return dataclasses.replace(found or load.Artifacts(None, {}, {}), hidden=hidden) if hidden else found

    def scripted(self, generator: Generator, artifacts: Artifacts | None) -> list[Intervention]:
        """Run the script. Raises ``InputError`` that names its line."""
        if self.script is None:
            return []
        from harness.interventions.script import read_script

        return read_script(self.script, generator, artifacts)

    def completed(
        self, chosen: list[Intervention], generator: Generator, artifacts: Artifacts | None
    ) -> list[Intervention]:
        """Add what the script returns. Raises ``InputError`` as ``scripted``, and for an SAE that nothing would use."""
        from harness.errors import InputError

        wanted = [*chosen, *self.scripted(generator, artifacts)]
        for layer in set(artifacts.hidden if artifacts else ()).difference(item.at for item in wanted):
            raise InputError(f"the SAE given by --hidden-sae reads {layer}, but nothing acts there; write @at:{layer}")
        return wanted


_STEER = (
    click.option(
        "--steer",
        multiple=True,
        metavar="SPEC",
        help="Change something while generating, such as 'pitch=+3st' or 'feature:812*2@t:0.1-0.5'; may be repeated.",
    ),
    click.option(
        "--patch",
        multiple=True,
        metavar="TRACE@WHERE",
        help="Put another run's values in place, such as 'runs/a@t:0.3'; these act before --steer.",
    ),
)
_SUPPORT = (
    click.option(
        "--script",
        type=FOLDER,
        metavar="FILE.py",
        help="Python file with a function interventions(generator, sae, probes); its list acts last.",
    ),
    fitted_options,
    click.option(
        "--hidden-sae",
        "hidden_saes",
        type=FOLDER,
        multiple=True,
        metavar="DIR",
        help="SAE of a hidden layer, whose features can then be edited at:LAYER; may be repeated.",
    ),
)


def _adding(options: tuple[Callable[..., Any], ...], command: Callable[..., None]) -> Callable[..., None]:
    """Add options; the command gets them as one argument ``steering``."""

    @functools.wraps(command)
    def wrapped(
        *,
        script: Path | None,
        sae: Path | None,
        probes: Path | None,
        hidden_saes: tuple[Path, ...],
        steer: tuple[str, ...] = (),
        patch: tuple[str, ...] = (),
        **others: Any,
    ) -> None:
        command(steering=Steering(steer, patch, script, sae, probes, hidden_saes), **others)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def steering_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--steer``, ``--patch``, and what ``support_options`` adds."""
    return _adding((*_STEER, *_SUPPORT), command)


def support_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--script``, ``--sae``, ``--probes`` and ``--hidden-sae``, for interventions that come from elsewhere."""
    return _adding(_SUPPORT, command)
