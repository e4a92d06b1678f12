"""``harness reproduce``: the two papers' studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.codec import codec_options
from harness.cli.console import answer, progress_bar, say, table
from harness.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from harness.reproduce.estimate import Estimate

PATH = click.Path(path_type=Path)
INTERRUPTED = "interrupted; the same command continues where it stopped"


@click.group("reproduce")
@debug_option
def command() -> None:
    """Repeat a published study; its tables show today's numbers beside the published ones."""


audio_option = click.option(
    "--audio", multiple=True, type=PATH, metavar="PATH", help="Audio file or folder; may be given several times."
)
out_option = click.option("--out", required=True, type=PATH, metavar="DIR", help="Folder of the study.")
small_option = click.option("--small", is_flag=True, help="A run of minutes instead of hours.")
untrained_option = click.option(
    "--untrained", is_flag=True, help="The weights are random: an end-to-end check, and the report says so."
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
workers_option = click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, metavar="N", help="Processes that encode."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only say how large and how long it will be.")


@command.command("paek2025")
@codec_options
@audio_option
@click.option("--rendered", type=click.IntRange(0), default=0, metavar="N", help="Also N clips played by FluidSynth.")
@click.option("--generator", metavar="NAME|DIR", help="Follow its steps too; it must use the codec.")
@click.option("--captions", type=PATH, metavar="CSV", help="Prompts for it: MusicCaps' CSV.  [default: our own list]")
@small_option
@untrained_option
@device_option
@workers_option
@dry_run_option
@out_option
@json_option
@debug_option
def paek2025(
    codec: dict[str, Any],
    audio: tuple[Path, ...],
    rendered: int,
    generator: str | None,
    captions: Path | None,
    small: bool,
    untrained: bool,
    device: str,
    workers: int,
    dry_run: bool,
    out: Path,
) -> None:
    """SAEs of a codec's latents, probes, changed sounds, emergence (Paek et al., arXiv 2510.23802).

    An interrupted study is continued by the same command.
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
    estimate = study_of.measure(study)
    if _announced(estimate, out, only=dry_run):
        return
    with progress_bar() as progress:
        try:
            results = study_of.reproduce(study, out, workers=workers, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(INTERRUPTED) from None
    document = paek2025_report.write(results, out)
    answer({**document, "estimate": estimate.to_json()})
    for head, rows in (paek2025_report.sparsity_table(results), paek2025_report.ranges_table(results)):
        table(head, rows)
    _closing(untrained, document["report"])


@command.command("mariotte2025")
@audio_option
@click.option(
    "--encoder", "encoders", multiple=True, metavar="ID|DIR", help="Instead of the paper's four kinds; several times."
)
@click.option("--labels", default="folders", show_default=True, metavar="CSV|folders", help="What each file is.")
@click.option("--label", metavar="NAME", help="Class label to tell apart.  [default: technique, or the first]")
@small_option
@untrained_option
@device_option
@workers_option
@dry_run_option
@out_option
@json_option
@debug_option
def mariotte2025(
    audio: tuple[Path, ...],
    encoders: tuple[str, ...],
    labels: str,
    label: str | None,
    small: bool,
    untrained: bool,
    device: str,
    workers: int,
    dry_run: bool,
    out: Path,
) -> None:
    """SAEs of audio encoders' layers, class probes, disentanglement (Mariotte et al., arXiv 2509.24793).

    --audio is VocalSet's folder, or any files with --labels. An interrupted study is continued by the same command.
    """
    if not audio:
        raise click.UsageError("nothing to study; give --audio with VocalSet's folder, or other labelled files")
    from harness.models import check_device
    from harness.reproduce import mariotte2025 as study_of
    from harness.reproduce import mariotte2025_report

    check_device(device)
    scale = study_of.SMALL if small else study_of.FULL
    study = study_of.Study(audio, encoders or study_of.ENCODERS, labels, label, scale, untrained, device)
    estimate = study_of.measure(study)
    if _announced(estimate, out, only=dry_run):
        return
    with progress_bar() as progress:
        try:
            results = study_of.reproduce(study, out, workers=workers, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(INTERRUPTED) from None
    document = mariotte2025_report.write(results, out)
    answer({**document, "estimate": estimate.to_json()})
    for head, rows in (mariotte2025_report.sparsity_table(results), mariotte2025_report.disentanglement_table(results)):
        table(head, rows)
    for note in results.inputs.left_out:
        say(note)
    _closing(untrained, document["report"])


def _announced(estimate: Estimate, out: Path, *, only: bool) -> bool:
    """Say what it will take, refuse a full disk, and say whether that was all."""
    say(estimate.sentence())
    estimate.check_space(out)
    if only:
        answer({"estimate": estimate.to_json()})
    return only


def _closing(untrained: bool, report: str) -> None:
    from harness.reproduce.page import UNTRAINED

    if untrained:
        say(UNTRAINED)
    say(report)
