"""``harness reproduce``: the two papers' studies."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click

from harness.cli.codec import codec_options
from harness.cli.console import answer, progress_bar, say, table
from harness.cli.options import debug_option, device_option, json_option

PATH = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = "interrupted; the same command continues where it stopped"


@click.group("reproduce")
@debug_option
def command() -> None:
    """Repeat a published study.

    Its tables show today's numbers beside the published ones.
    """


audio_option = click.option(
    "--audio", multiple=True, type=PATH, metavar="PATH", help="Audio file or folder; may be given several times."
)


def study_options(function: F) -> F:
    """Add what every study takes."""
    options = [
        click.option("--small", is_flag=True, help="A run of minutes instead of hours."),
        click.option(
            "--untrained", is_flag=True, help="The weights are random: an end-to-end check, and the report says so."
        ),
        device_option,
        click.option(
            "--workers",
            type=click.IntRange(1),
            default=2,
            show_default=True,
            metavar="N",
            help="Processes that encode.",
        ),
        click.option("--dry-run", is_flag=True, help="Only say how large and how long it will be."),
        click.option("--out", required=True, type=PATH, metavar="DIR", help="Folder of the study."),
        json_option,
        debug_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command("paek2025")
@codec_options
@audio_option
@click.option("--rendered", type=click.IntRange(0), default=0, metavar="N", help="Also N clips played by FluidSynth.")
@click.option("--generator", metavar="NAME|DIR", help="Follow its steps too; it must use the codec.")
@click.option("--captions", type=PATH, metavar="CSV", help="Prompts for it: MusicCaps' CSV.  [default: our own list]")
@study_options
def paek2025(
    codec: dict[str, Any],
    audio: tuple[Path, ...],
    rendered: int,
    generator: str | None,
    captions: Path | None,
    small: bool,
    untrained: bool,
    device: str,
    **how: Any,
) -> None:
    """Study a codec's latents: SAEs, probes, emergence.

    Paek et al., arXiv 2510.23802. An interrupted study is continued by the same command.
    """
    if captions is not None and generator is None:
        raise click.UsageError("--captions are prompts for a generator; give --generator too")
    from harness.codecs import CodecSpec
    from harness.models import check_device
    from harness.reproduce import paek2025 as study_of
    from harness.reproduce import paek2025_report

    check_device(device)
    scale = study_of.SMALL if small else study_of.FULL
    study = study_of.Study(CodecSpec(**codec), audio, rendered, generator, captions, scale, untrained, device)
    _carry_out(study, study_of, paek2025_report, **how)


@command.command("mariotte2025")
@audio_option
@click.option(
    "--encoder", "encoders", multiple=True, metavar="ID|DIR", help="Instead of the paper's four kinds; several times."
)
@click.option("--labels", default="folders", show_default=True, metavar="CSV|folders", help="What each file is.")
@click.option("--label", metavar="NAME", help="Class label to tell apart.  [default: technique, or the first]")
@study_options
def mariotte2025(
    audio: tuple[Path, ...],
    encoders: tuple[str, ...],
    labels: str,
    label: str | None,
    small: bool,
    untrained: bool,
    device: str,
    **how: Any,
) -> None:
    """Study layers of audio encoders: SAEs, disentanglement.

    Mariotte et al., arXiv 2509.24793. --audio is VocalSet's folder, or any files with --labels. An interrupted study is
    continued by the same command.
    """
    if not audio:
        raise click.UsageError("nothing to study; give --audio with VocalSet's folder, or other labelled files")
    from harness.models import check_device
    from harness.reproduce import mariotte2025 as study_of
    from harness.reproduce import mariotte2025_report

    check_device(device)
    scale = study_of.SMALL if small else study_of.FULL
    study = study_of.Study(audio, encoders or study_of.ENCODERS, labels, label, scale, untrained, device)
    _carry_out(study, study_of, mariotte2025_report, **how)


def _carry_out(study: Any, of: ModuleType, report: ModuleType, *, workers: int, dry_run: bool, out: Path) -> None:
    """Say what a study will take, do it by the functions of its module ``of``, and print the tables of its report."""
    from harness.reproduce.estimate import duration
    from harness.reproduce.page import UNTRAINED
    from harness.reproduce.workspace import check_folder

    check_folder(out)
    estimate = of.measure(study)
    say(estimate.sentence())
    estimate.check_space(out)
    if dry_run:
        answer({"estimate": estimate.to_json()})
        return
    started = time.perf_counter()
    with progress_bar() as progress:
        try:
            results = of.reproduce(study, out, workers=workers, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(INTERRUPTED) from None
    document = report.write(results, out)
    took_s = time.perf_counter() - started
    answer({**document, "estimate": estimate.to_json(), "took_s": round(took_s, 1)})
    for head, rows in report.tables(results):
        table(head, rows)
    say(f"took {duration(took_s)}; the estimate for a study from its beginning was {duration(estimate.total_s)}")
    for note in [*document.get("left_out", ()), *([UNTRAINED] if study.untrained else []), document["report"]]:
        say(note)
