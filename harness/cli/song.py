"""Options of ``harness generate`` for generators that sing, edit recordings, or make several takes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import click

from harness.cli.values import FiniteRange, read_text

MAX_SEED = 2**63 - 1
LYRICS_FORMS = ("words", "phones", "ids")
LRC_RULES = ("original", "tolerant")
WAVEFORMS = "num_waveforms_per_prompt"
"""What pipelines of diffusers call takes."""
OPEN_END = -1
"""How a request writes the start or the end of the song."""

_RANGE = re.compile(r"\s*(?:(\d+(?:\.\d+)?)\s*s?)?\s*-\s*(?:(\d+(?:\.\d+)?)\s*s?)?\s*")


@dataclass(frozen=True)
class Song:
    """What was asked for besides the prompt."""

    seeds: tuple[int, ...]
    """One per take."""
    lyrics: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of the generator's own."""


def read_ranges(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[list[float]] | None:
    """Read ``10s-25s`` as pairs of seconds; either side may be left out. An option's callback."""
    ranges = []
    for text in value:
        match = _RANGE.fullmatch(text)
        if match is None:
            raise click.BadParameter(f"{text!r} is no range of seconds; write 10s-25s, -25s or 70s-.")
        ranges.append([float(side) if side else OPEN_END for side in match.groups()])
    return ranges or None


def count_takes(takes: int, settings: dict[str, Any]) -> int:
    """Return how many takes were asked for: by ``--batch``, or in diffusers' word, which leaves ``settings``."""
    wanted = settings.pop(WAVEFORMS, takes)
    if type(wanted) is not int or wanted < 1 or takes not in (1, wanted):
        raise click.UsageError(
            f"--set {WAVEFORMS}={wanted} is another word for --batch; give a whole number to one of them"
        )
    return wanted


lyrics_form_option = click.option(
    "--lyrics-form", type=click.Choice(LYRICS_FORMS), help="What the lines hold.  [default: words]"
)
lrc_rules_option = click.option(
    "--lrc-rules",
    type=click.Choice(LRC_RULES),
    help="original: stamps exactly [mm:ss.xx], as DiffRhythm; tolerant: other LRC too.  [default: original]",
)

_OPTIONS = (
    click.option(
        "--seed",
        type=click.IntRange(0, MAX_SEED),
        default=0,
        show_default=True,
        metavar="N",
        help="Of the starting noise.",
    ),
    click.option(
        "--batch",
        "takes",
        type=click.IntRange(1, 10000),
        default=1,
        metavar="N",
        help="Takes of each prompt, with seeds SEED, SEED + 1, ...",
    ),
    click.option("--same-seed", is_flag=True, help="Give every take the same seed."),
    click.option("--lyrics", "lyrics_file", type=click.File("rb"), metavar="LRC", help="Timed lyrics to sing."),
    lyrics_form_option,
    lrc_rules_option,
    click.option(
        "--edit",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="AUDIO",
        help="Recording to make parts of anew; needs --regenerate.",
    ),
    click.option(
        "--regenerate",
        callback=read_ranges,
        multiple=True,
        metavar="RANGE",
        help="Part to make anew, such as 10s-25s; may be given several times.",
    ),
    click.option(
        "--style-embedding",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Ready-made style: a .safetensors file with a tensor 'style', or a .npy file.",
    ),
    click.option(
        "--style-audio",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="AUDIO",
        help="Recording of 10 s or more to take the style from, instead of the prompt.",
    ),
    click.option(
        "--sway", type=FiniteRange(-1, 1), metavar="X", help="Bend the time grid; -1 packs steps near the noise."
    ),
)


def song_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets them as one argument ``song``."""

    @functools.wraps(command)
    def wrapped(
        *,
        seed: int,
        takes: int,
        same_seed: bool,
        lyrics_file: BinaryIO | None,
        lyrics_form: str | None,
        lrc_rules: str | None,
        edit: Path | None,
        regenerate: list[list[float]] | None,
        style_embedding: Path | None,
        style_audio: Path | None,
        sway: float | None,
        settings: dict[str, Any],
        **others: Any,
    ) -> None:
        takes = count_takes(takes, settings)
        if (edit is None) != (regenerate is None):
            raise click.UsageError("--edit and --regenerate go together: a recording, and what of it to make anew")
        if lyrics_file is None and (lyrics_form or lrc_rules):
            raise click.UsageError("--lyrics-form and --lrc-rules are about --lyrics; give that too")
        if not same_seed and seed + takes - 1 > MAX_SEED:
            raise click.UsageError(f"--seed {seed} leaves no room for {takes} seeds; give a smaller one")
        given = {
            "lyrics_form": lyrics_form,
            "lrc_rules": lrc_rules,
            "edit": str(edit) if edit else None,
            "regenerate": regenerate,
            "style_embedding": str(style_embedding) if style_embedding else None,
            "style_audio": str(style_audio) if style_audio else None,
            "sway": sway,
        }
        song = Song(
            seeds=tuple(seed if same_seed else seed + take for take in range(takes)),
            lyrics=read_text(lyrics_file) if lyrics_file else None,
            options={name: value for name, value in given.items() if value is not None},
        )
        command(song=song, settings=settings, **others)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
