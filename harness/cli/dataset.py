"""``harness dataset``: building data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.codec import codec_given, codec_options
from harness.cli.console import answer, progress_bar, say
from harness.cli.options import debug_option, force_option, json_option
from harness.cli.values import integers, numbers, words

if TYPE_CHECKING:
    from harness.datasets.build import Build
    from harness.datasets.format import Plan, Pool


@click.group("dataset")
@debug_option
def command() -> None:
    """Build data sets of latents and properties per frame."""


@command.command("build")
@click.argument("paths", metavar="[PATHS]...", nargs=-1, type=click.Path(path_type=Path))
@codec_options
@click.option("--encoder", metavar="ID|DIR", help="Instead: hidden layers of an audio encoder of transformers.")
@click.option(
    "--layers", callback=integers, metavar="N,N", help="Which: n is what its n-th block gives, 0 what goes in."
)
@click.option(
    "--pool",
    type=click.Choice(["frames", "mean"]),
    default="frames",
    show_default=True,
    help="With --encoder: a row a frame, or one a file.",
)
@click.option("--labels", metavar="CSV|folders", help="What each file is: a CSV with a column 'file', or its folder.")
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
    codec: dict[str, Any],
    encoder: str | None,
    layers: tuple[int, ...],
    pool: Pool,
    labels: str | None,
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
    split by file into train, validation and test. An interrupted build is continued by the same command. With
    --encoder and several --layers each gets a data set of its own, NAME.layers.N.h5.
    """
    if from_traces and rendered:
        raise click.UsageError("--rendered makes audio to encode; it does not go with --from-traces")
    if (layers or pool == "mean") and not encoder:
        raise click.UsageError("--layers and --pool are for --encoder")
    if encoder and (from_traces or rendered):
        raise click.UsageError("--encoder reads audio files; it does not go with --from-traces or --rendered")
    if (encoder or from_traces) and codec_given():
        raise click.UsageError("--encoder and --from-traces take the place of a codec; give one of them, or a codec")
    if labels and (from_traces or rendered):
        raise click.UsageError("--labels are of audio files; they do not go with --from-traces or --rendered")
    if not paths and not rendered:
        raise click.UsageError("nothing to build from; give files or folders, or --rendered")
    from harness.codecs import CodecSpec
    from harness.datasets.build import build as build_dataset
    from harness.datasets.encoders import encoder_sources
    from harness.datasets.labels import read_labels
    from harness.datasets.sources import audio_sources, trace_sources

    if encoder:
        sources = encoder_sources(paths, encoder, layers, properties, pool=pool, seed=seed)
    elif from_traces:
        sources = trace_sources(paths, properties, hook_point, times, seed)
    else:
        sources = audio_sources(paths, CodecSpec(**codec), properties, seed, rendered=rendered or 0)
    classes = read_labels(labels, [Path(unit.name) for unit in sources.units]) if labels else None
    options: dict[str, Any] = {"workers": workers, "strict": strict, "force": force, "classes": classes}
    with progress_bar() as progress:
        try:
            result = build_dataset(*sources, out, **options, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; the same command continues where it stopped") from None
    documents = [_document(path, result, sources.plan) for path in result.paths]
    answer(documents[0] if len(documents) == 1 else {"datasets": documents})
    for document in documents:
        _show(document)
    _show_rest(result)


def _document(path: Path, result: Build, plan: Plan) -> dict[str, Any]:
    from harness.datasets.reader import open_dataset

    with open_dataset(path) as dataset:
        files = {name: sum(file.split == name for file in dataset.files) for name in ("train", "validation", "test")}
        rows = {name: sum(f.rows for f in dataset.files if f.split == name) for name in files}
        return {
            "dataset": str(path),
            "source": dataset.source.to_json(),
            "properties": list(plan.properties),
            "classes": {name: sorted(set(values) - {""}) for name, values in dataset.classes.items()},
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
    if empty := [name for name in ("train", "test") if not document["files"][name]]:
        missing = " and ".join(empty)
        say(f"  note: no file fell to {missing}, which SAEs and probes need; give more files, or runs of more prompts")
    for name, classes in document["classes"].items():
        say(f"  {name}: {len(classes)} classes, {', '.join(classes[:8])}{', ...' if len(classes) > 8 else ''}")


def _show_rest(result: Build) -> None:
    if result.resumed:
        say(f"  {result.resumed} inputs had been finished by an earlier build")
    for entry in result.skipped:
        say(f"  left out {entry.name}: {entry.reason}")
    if result.skipped:
        say(f"  {len(result.skipped)} inputs left out")
