"""``harness steer``: a recorded run again, steered, beside what it was and a random control."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.console import answer, progress_bar, say, table
from harness.cli.options import debug_option, force_option, json_option
from harness.cli.values import numbers

if TYPE_CHECKING:
    from harness.interventions.base import Intervention
    from harness.steering.experiment import SteeringResult

PATH = click.Path(path_type=Path)


@click.command("steer")
@click.argument("run", metavar="RUN|TRACE", type=PATH)
@click.option("--set", "changes", multiple=True, metavar="PROPERTY=CHANGE", help="Such as pitch=+3st or loudness=-6dB.")
@click.option("--steer", "expressions", multiple=True, metavar="EXPRESSION", help="Any edit, as in 'harness generate'.")
@click.option(
    "--strengths",
    callback=numbers(1e-3, 100),
    metavar="X,...",
    help="Doses besides 1: multiples of the change, or of the edit's strength.  [default: two that can be given]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=4, show_default=True, metavar="N", help="To average over."
)
@click.option("--sae", type=PATH, metavar="DIR", help="SAE to use instead of the shipped one; needs --probes.")
@click.option("--probes", type=PATH, metavar="DIR", help="Probes to use instead of the shipped ones.")
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Folder for the three runs and the report.")
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@force_option
@json_option
@debug_option
def command(
    run: Path,
    changes: tuple[str, ...],
    expressions: tuple[str, ...],
    strengths: tuple[float, ...],
    seeds: int,
    sae: Path | None,
    probes: Path | None,
    out: Path,
    open_report: bool,
    force: bool,
) -> None:
    """Steer a run that was generated with --trace, and measure on the sound what that did.

    The same request runs again with the same seed: as it was, steered, and with random edits of the same size. What
    was asked for is measured on the decoded audio, and so is everything else. Other seeds and strengths give
    averages, intervals and the dose-response.
    """
    if not changes and not expressions:
        raise click.UsageError("nothing to do; give --set PROPERTY=CHANGE or --steer EXPRESSION")
    if sae is not None and probes is None:
        raise click.UsageError("--sae needs --probes: probes read the features of one SAE only")
    from harness import runs

    source = runs.trace_path(run)
    runs.check_output(out, force=force)
    interventions = _parse(changes, expressions)

    from harness.models import load_generator
    from harness.report.paired import build_paired_report
    from harness.steering.artifacts import find_artifacts
    from harness.steering.document import document
    from harness.steering.experiment import steer_recorded
    from harness.store.reader import open_trace

    with open_trace(source) as trace, progress_bar() as progress:
        generator = load_generator(trace.generator_id)
        result = steer_recorded(
            trace,
            generator,
            interventions,
            out,
            artifacts=find_artifacts(generator, sae, probes),
            strengths=strengths or None,
            seeds=seeds,
            force=force,
            command=shlex.join(["harness", *sys.argv[1:]]),
            progress=progress,
        )
    report = build_paired_report(result, out / runs.REPORT)
    answer({**document(result), "report": str(report.path)})
    _show(result, report.finding)
    say(str(report.path))
    if open_report:
        click.launch(str(report.path))


def _parse(changes: tuple[str, ...], expressions: tuple[str, ...]) -> list[Intervention]:
    """Read all edits; those of ``--set`` come first and have to set a property."""
    from harness.interventions.grammar import parse_steer
    from harness.interventions.set_property import SetProperty

    wanted = [parse_steer(text) for text in changes]
    for text, item in zip(changes, wanted, strict=True):
        if not isinstance(item, SetProperty):
            raise click.UsageError(f"--set {text} sets no property; give it to --steer")
    return [*wanted, *(parse_steer(text) for text in expressions)]


def _show(result: SteeringResult, finding: str) -> None:
    """Print every property before and after, and the finding."""
    from analysis import properties
    from harness.steering.document import document
    from harness.steering.experiment import ARMS

    rows = []
    for name, effect in document(result)["effect"].items():
        write = properties.load(name).format
        cells = ["-" if effect[key] is None else write(effect[key]) for key in (*ARMS, "target")]
        rows.append([name, *cells])
    table(["property", *ARMS, "target"], rows)
    for note in result.notes:
        say(f"  note: {note}")
    say(f"  {finding}")
