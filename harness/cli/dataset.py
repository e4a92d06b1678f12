"""``harness dataset``: building data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import answer, progress_bar, say
from harness.cli.options import debug_option, force_option, json_option
from harness.cli.values import numbers, words

if TYPE_CHECKING:
    from harness.datasets.build import Build
    from harness.datasets.format import Plan


@click.group("dataset")
@debug_option
def command() -> None:
    """Build data sets of latents, or what a generator did, with properties per frame."""


@command.command("build")
@click.argument("paths", metavar="[PATHS]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--codec", "codec_name", default="mini", show_default=True, metavar="NAME", help="See 'harness list'.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Data set to write."
)
@click.option(
    "--properties",
    callback=words,
    default="pitch,loudness,timbre",
    show_default=True,
    metavar="A,B",
    help="What to measure per frame.",
)
@click.option(
    "--rendered", type=click.IntRange(1), metavar="N", help="Also N clips of known notes, played by FluidSynth."
)
@click.option("--from-traces", is_flag=True, help="PATHS are traces, runs, or folders of runs.")
@click.option(
    "--hook-point", default="x1_hat", show_default=True, metavar="NAME", help="x_t, x1_hat or a recorded module."
)
@click.option(
    "--times",
    callback=numbers(0, 1),
    default="0,0.25,0.5,0.75,1",
    show_default=True,
    metavar="T,T",
    help="At these t of each trace.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of the split by file.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, metavar="N", help="Processes.")
@click.option("--strict", is_flag=True, help="Fail on an input that cannot be used instead of leaving it out.")
@force_option
@json_option
@debug_option
def build(
    paths: tuple[Path, ...],
    codec_name: str,
    out: Path,
    properties: tuple[str, ...],
    rendered: int | None,
    from_traces: bool,
    hook_point: str,
    times: tuple[float, ...],
    seed: int,
    workers: int,
    strict: bool,
    force: bool,
) -> None:
    """Encode audio, or read traces, and measure properties per frame.

    PATHS are audio files and folders of them, or with --from-traces what 'harness generate --trace' wrote. Inputs are
    split by file into train, validation and test. An interrupted build is continued by the same command.
    """
    if from_traces and rendered:
        raise click.UsageError("--rendered makes audio to encode; it does not go with --from-traces")
    if not paths and not rendered:
        raise click.UsageError("nothing to build from; give files or folders, or --rendered")
    from harness.datasets.build import build as build_dataset
    from harness.datasets.sources import audio_sources, trace_sources

    if from_traces:
        sources = trace_sources(paths, properties, hook_point, times, seed)
    else:
        sources = audio_sources(paths, codec_name, properties, seed, rendered=rendered or 0)
    with progress_bar() as progress:
        try:
            result = build_dataset(*sources, out, workers=workers, strict=strict, force=force, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; the same command continues where it stopped") from None
    document = _document(result, sources.plan)
    answer(document)
    _show(document)


def _document(result: Build, plan: Plan) -> dict[str, Any]:
    from harness.datasets.reader import open_dataset

    with open_dataset(result.path) as dataset:
        files = {name: sum(file.split == name for file in dataset.files) for name in ("train", "validation", "test")}
        rows = {name: sum(f.rows for f in dataset.files if f.split == name) for name in files}
    return {
        "dataset": str(result.path),
        "source": plan.source.to_json(),
        "properties": list(plan.properties),
        "files": files,
        "rows": rows,
        "resumed": result.resumed,
        "skipped": [{"name": entry.name, "reason": entry.reason} for entry in result.skipped],
    }


def _show(document: dict[str, Any]) -> None:
    source = document["source"]
    say(f"{document['dataset']}: {source['model_id']} {source['hook_point']}, {source['d_in']} numbers a row")
    for name, files in document["files"].items():
        say(f"  {name:10} {files:6} files {document['rows'][name]:9} rows")
    if document["resumed"]:
        say(f"  {document['resumed']} inputs had been finished by an earlier build")
    for entry in document["skipped"]:
        say(f"  left out {entry['name']}: {entry['reason']}")
    if document["skipped"]:
        say(f"  {len(document['skipped'])} inputs left out")
