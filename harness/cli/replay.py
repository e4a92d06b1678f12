"""``harness replay``: a recorded run again, compared bit by bit."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.console import answer, say
from harness.cli.loading import Loading, loading_options
from harness.cli.options import debug_option, json_option
from harness.cli.steering import FOLDER, Steering, support_options


@click.command("replay")
@click.argument("run", metavar="RUN", type=FOLDER)
@support_options
@loading_options
@json_option
@debug_option
def command(run: Path, steering: Steering, loading: Loading) -> None:
    """Run a recorded generation again and compare every bit.

    RUN is a run folder or a trace. The interventions it had act again. Functions and classes of a script are not in the
    trace: give the --script again.
    """
    from harness.replay import interventions_of, replay
    from harness.runs import trace_path
    from harness.store.reader import open_trace

    with open_trace(trace_path(run)) as trace:
        model = loading.generator_of(trace)
        artifacts = steering.artifacts(model)
        chosen = interventions_of(trace, steering.scripted(model, artifacts))
        result = replay(trace, model, chosen, artifacts)
    answer({"trace": str(trace.path), "interventions": len(chosen), **result.to_json()})
    say(f"{trace.path}: {result.finding}")
