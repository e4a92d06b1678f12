"""``harness steer``: a recorded run again, steered, beside what it was and a random control."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import answer, progress_bar, say, table
from harness.cli.loading import Loading, loading_options
from harness.cli.options import debug_option, force_option, json_option
from harness.cli.steering import Steering, steering_options
from harness.cli.values import numbers

if TYPE_CHECKING:
    from harness.interventions.base import Intervention

PATH = click.Path(path_type=Path)


@click.command("steer")
@click.argument("run", metavar="RUN|TRACE", type=PATH)
@click.option("--set", "changes", multiple=True, metavar="PROPERTY=CHANGE", help="Such as pitch=+3st or loudness=-6dB.")
@steering_options
@click.option(
    "--strengths",
    callback=numbers(1e-3, 100),
    metavar="X,...",
    help="Doses besides 1: multiples of the change, or of the edit's strength.  [default: two that can be given]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=4, show_default=True, metavar="N", help="To average over."
)
@loading_options
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Folder for the three runs and the report.")
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@force_option
@json_option
@debug_option
def command(
    run: Path,
    changes: tuple[str, ...],
    steering: Steering,
    strengths: tuple[float, ...],
    seeds: int,
    loading: Loading,
    out: Path,
    open_report: bool,
    force: bool,
) -> None:
    """Steer a recorded run, and measure what that did.

    The same request runs again with the same seed: as it was, steered, and with random edits of the same size. What
    was asked for is measured on the decoded audio, and so is everything else. Other seeds and strengths give
    averages, intervals and the dose-response.
    """
    if not changes and not steering.wanted:
        raise click.UsageError("nothing to do; give --set PROPERTY=CHANGE or --steer SPEC")
    from harness import runs
    from harness.files import check_output

    source = runs.trace_path(run)
    check_output(out, force=force)
    interventions = [*_changes(changes), *steering.parsed()]

    from harness.report.paired import build_paired_report
    from harness.steering.document import document
    from harness.steering.experiment import steer_recorded
    from harness.store.reader import open_trace

    with open_trace(source) as trace, progress_bar() as progress:
        generator = loading.generator_of(trace)
        artifacts = steering.artifacts(generator)
        result = steer_recorded(
            trace,
            generator,
            steering.completed(interventions, generator, artifacts),
            out,
            artifacts=artifacts,
            strengths=strengths or None,
            seeds=seeds,
            force=force,
            command=shlex.join(["harness", *sys.argv[1:]]),
            progress=progress,
        )
    report = build_paired_report(result, out / runs.REPORT)
    found = document(result)
    answer({**found, "report": str(report.path)})
    _show(found, report.finding)
    say(str(report.path))
    if open_report:
        click.launch(str(report.path))


def _changes(texts: tuple[str, ...]) -> list[Intervention]:
    """Read ``--set``, each of which has to set a property."""
    from harness.interventions.grammar import parse_steer
    from harness.interventions.set_property import SetProperty

    wanted = [parse_steer(text) for text in texts]
    for text, item in zip(texts, wanted, strict=True):
        if not isinstance(item, SetProperty):
            raise click.UsageError(f"--set {text} sets no property; give it to --steer")
    return wanted


def _show(found: Mapping[str, Any], finding: str) -> None:
    """Print every property before and after, and the finding."""
    from analysis import properties
    from harness.steering.result import ARMS

    rows = []
    for name, effect in found["effect"].items():
        write = properties.load(name).format
        cells = ["-" if effect[key] is None else write(effect[key]) for key in (*ARMS, "target")]
        rows.append([name, *cells])
    table(["property", *ARMS, "target"], rows)
    for note in found["notes"]:
        say(f"  note: {note}")
    say(f"  {finding}")
