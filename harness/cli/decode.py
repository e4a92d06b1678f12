"""``harness decode``: what every step already knew of the final sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import answer, progress_bar, quoted, say, table
from harness.cli.options import debug_option, fitted_options, json_option

if TYPE_CHECKING:
    from analysis.source import Source
    from harness.decoding.artifacts import Artifacts
    from harness.decoding.emergence import Curves, Study

FOLDER = click.Path(path_type=Path)


@click.command("decode")
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=FOLDER)
@fitted_options
@json_option
@debug_option
def command(paths: tuple[Path, ...], sae: Path | None, probes: Path | None) -> None:
    """Decode pitch, loudness and timbre at every recorded step.

    RUN is a run folder, a folder of runs, or a trace. State (x_t) and clean estimate (x1_hat) of every step go through
    the SAE and the probes and are compared with the final audio. What is decoded is stored with the trace, in place of
    an earlier decode, and shown by 'harness report'. Of several runs, those that cannot be used are left out and named.
    Runs are taken together where they share generator, times and steering: of a folder that 'harness steer' made, every
    arm is decoded for itself.
    """
    from harness.decoding.emergence import Study
    from harness.decoding.summary import group_document, steered_by
    from harness.errors import HarnessError
    from harness.runs import trace_paths

    traces = trace_paths(paths)
    study, documents, skipped = Study() if len(traces) > 1 else None, [], []
    find = _finder(sae, probes)
    with progress_bar() as progress:
        for done, path in enumerate(traces):
            progress("decode", done, len(traces))
            try:
                documents.append(_decode(path, find, study))
            except HarnessError as error:
                if len(traces) == 1:
                    raise
                skipped.append({"trace": str(path), "reason": str(error)})
    for entry in skipped:
        say(f"left out {entry['trace']}: {entry['reason']}")
    if not documents:
        raise HarnessError(f"none of the {len(traces)} runs could be decoded; the first: {skipped[0]['reason']}")
    groups = [(group, group.curves()) for group in (study.groups() if study else ())]
    together = {"aggregated": [group_document(*group) for group in groups], "skipped": skipped}
    answer({"runs": documents, **(together if study else {})})
    for group, curves in groups:
        say(f"{len(group.runs)} runs together{steered_by(group.interventions)}")
        _show(curves)


def _finder(sae: Path | None, probes: Path | None) -> Callable[[Source], Artifacts]:
    """Make a function that gives what decodes some latents, each loaded once."""
    from functools import cache

    from harness.decoding.artifacts import read_artifacts, require_shipped

    return cache(require_shipped if probes is None else lambda source: read_artifacts(source, probes, sae))


def _decode(path: Path, find: Callable[[Source], Artifacts], study: Study | None) -> dict[str, Any]:
    """Decode, store and show one run."""
    from harness.decoding.artifacts import latents_of
    from harness.decoding.decode import decode
    from harness.decoding.emergence import measure
    from harness.decoding.storage import store
    from harness.decoding.summary import run_document, steered_by
    from harness.store.reader import open_trace

    with open_trace(path) as trace:
        decoded = decode(trace, find(latents_of(trace)))
        stored = store(trace, decoded)
        if study is not None:
            study.add(trace, decoded)
        prompt, edits = quoted(str(trace.request["prompt"])), trace.metadata["extra"].get("interventions", [])
    curves = measure(decoded)
    where = f", stored in {stored}" if stored != path else ""
    say(f"{path}  {prompt}, {decoded.steps} steps{steered_by(edits)}{where}")
    for note in decoded.notes:
        say(f"  note: {note}")
    _show(curves)
    return run_document(str(path), decoded, curves, edits)


def _show(curves: Curves) -> None:
    """Print a line of accuracies a property, and what was found."""
    from harness.decoding.artifacts import CLEAN, VIEWS
    from harness.decoding.summary import finding, first_view

    rows = []
    for name, curve in first_view(curves).items():
        last = curve.accuracy[-1]
        commits = (curves[name, (view, CLEAN)] for view in VIEWS)
        rows.append(
            (
                name,
                f"{curve.chance.value:.2f}",
                f"{curve.shuffled[-1]:.2f}",
                f"{curve.step_0.value:.2f}",
                f"{last.value:.2f} [{last.low:.2f}, {last.high:.2f}]",
                *(f"step {int(c.commit_step.value)} (t {c.commit_t:.2f})" for c in commits),
            )
        )
    columns = (
        "property",
        "commonest class",
        "shuffled",
        "first",
        "last [95 %]",
        *(f"commits, {view}" for view in VIEWS),
    )
    table(columns, rows)
    say(f"  {finding(curves)}")
