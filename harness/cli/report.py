"""``harness report``: the HTML page of a trace."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.console import answer, say
from harness.cli.options import debug_option, force_option, json_option


@click.command("report")
@click.argument("path", metavar="RUN|TRACE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="[default: report.html beside the trace]")
@click.option("--open", "open_report", is_flag=True, help="Open it in the browser.")
@force_option
@json_option
@debug_option
def command(path: Path, out: Path | None, open_report: bool, force: bool) -> None:
    """Build the report of a run that was generated with --trace."""
    from harness.errors import ExistsError
    from harness.runs import REPORT, trace_path

    source = trace_path(path)
    out = out or source.parent / REPORT
    if out.exists() and not force:
        raise ExistsError(f"{out} is already there; give --force to replace it, or another --out")

    from harness.models import load_codec_of
    from harness.report.page import build_report
    from harness.store.reader import open_trace

    with open_trace(source) as trace:
        report = build_report(trace, load_codec_of(trace), out)
    answer({"report": str(report.path), "finding": report.finding})
    say(report.finding)
    say(str(report.path))
    if open_report:
        click.launch(str(report.path))
