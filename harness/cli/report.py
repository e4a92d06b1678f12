"""``harness report``: the HTML page of a trace, or of many runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.console import answer, progress_bar, say
from harness.cli.options import debug_option, fitted_options, force_option, json_option

if TYPE_CHECKING:
    from harness.report.page import Report

FOLDER = click.Path(path_type=Path)


@dataclass(frozen=True)
class _Wanted:
    """What the report of one run is made of, as asked for."""

    audio_steps: int | None
    assets: Path | None
    generator: str | None
    sae: Path | None
    probes: Path | None
    dataset: Path | None


def _steps_to_hear(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """Read a number of steps from 2, or ``all`` (None)."""
    if value == "all":
        return None
    if not value.isdecimal() or int(value) < 2:
        raise click.BadParameter(f"{value!r} is neither a number from 2 nor 'all'")
    return int(value)


@click.command("report")
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=FOLDER)
@click.option("--out", type=FOLDER, metavar="FILE", help="[default: report.html beside the trace, or in the folder]")
@click.option(
    "--audio",
    "audio_steps",
    callback=_steps_to_hear,
    default="9",
    show_default=True,
    metavar="N|all",
    help="Steps to hear.",
)
@click.option("--assets", type=FOLDER, metavar="DIR", help="Keep the sounds in files there, not in the page.")
@click.option("--generator", metavar="NAME|DIR", help="Where the generator is now, if it is not where it was.")
@fitted_options
@click.option("--dataset", type=FOLDER, metavar="FILE", help="Clean latents in which to look for sounds of features.")
@click.option("--watch", "watching", is_flag=True, help="Build it again until the generation is finished.")
@click.option("--open", "open_report", is_flag=True, help="Open it in the browser.")
@force_option
@json_option
@debug_option
def command(
    paths: tuple[Path, ...],
    out: Path | None,
    audio_steps: int | None,
    assets: Path | None,
    generator: str | None,
    sae: Path | None,
    probes: Path | None,
    dataset: Path | None,
    watching: bool,
    open_report: bool,
    force: bool,
) -> None:
    """Build the page of one recorded run, or one of many runs.

    RUN is a run folder, a folder of runs, or a trace. Of several, the page shows what 'harness decode' stored with
    them, taken together, and links to the report of each. A folder that 'harness steer' or 'harness timing' made gets
    the page of that experiment or study again.
    """
    from harness.files import check_output_file
    from harness.report.folders import page_of
    from harness.runs import REPORT, trace_paths

    traces = trace_paths(paths)
    write_own_page = page_of(paths[0]) if len(paths) == 1 else None
    one = len(traces) == 1 and write_own_page is None
    given = {"--assets": assets, "--generator": generator, "--probes": probes, "--dataset": dataset}
    unfit = [name for name, value in {**given, "--watch": watching}.items() if value]
    if unfit and not one:
        raise click.UsageError(f"{unfit[0]} is for the report of one run; {len(traces)} were given")
    common = paths[0] if len(paths) == 1 else Path(os.path.commonpath([path.absolute() for path in paths]))
    out = out or (traces[0].parent if one else common if common.is_dir() else common.parent) / REPORT
    check_output_file(out, force=force)
    if write_own_page is not None:
        report = write_own_page(out)
    elif one:
        wanted = _Wanted(audio_steps, assets, generator, sae, probes, dataset)
        report = _single(traces[0], out, wanted, watching=watching, open_report=open_report)
    else:
        from harness.report.page import build_report_of_many

        with progress_bar() as progress:
            report = build_report_of_many(traces, out, progress)
    if open_report and not one:
        click.launch(str(report.path))
    answer({"report": str(report.path), "finding": report.finding})
    say(report.finding)
    say(str(report.path))


def _single(path: Path, out: Path, wanted: _Wanted, *, watching: bool, open_report: bool) -> Report:
    """Build the report of one trace, once or for as long as it grows."""
    from contextlib import ExitStack

    from harness.datasets.reader import open_dataset
    from harness.decoding.artifacts import latents_of, read_artifacts
    from harness.models import load_codec_of, load_generator
    from harness.report.page import build_report
    from harness.report.watch import watch
    from harness.store.reader import Trace, open_trace

    with ExitStack() as stack:
        trace = stack.enter_context(open_trace(path))
        codec = load_generator(wanted.generator).codec if wanted.generator else load_codec_of(trace)
        artifacts = read_artifacts(latents_of(trace), wanted.probes, wanted.sae) if wanted.probes else None
        rows = stack.enter_context(open_dataset(wanted.dataset)) if wanted.dataset else None

        def build(current: Trace) -> Report:
            return build_report(
                current,
                codec,
                out,
                audio_steps=wanted.audio_steps,
                artifacts=artifacts,
                dataset=rows,
                assets=wanted.assets,
            )

        if not watching:
            report = build(trace)
            if open_report:
                click.launch(str(report.path))
            return report
        for number, report in enumerate(watch(path, build)):
            say(report.finding)
            if open_report and not number:
                click.launch(str(report.path))
        return report
