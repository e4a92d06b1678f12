"""``harness replay``: a recorded run again, compared bit by bit."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.console import answer, say
from harness.cli.options import debug_option, json_option
from harness.cli.steering import FOLDER, Steering, support_options


@click.command("replay")
@click.argument("run", metavar="RUN", type=FOLDER)
@support_options
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@json_option
@debug_option
def command(run: Path, steering: Steering, device: str) -> None:
    """Run a recorded generation again, with the interventions it had, and say whether it comes out the same.

    RUN is a run folder or a trace. Functions and classes of a script are not in the trace: give the --script again.
    """
    from harness.models import DTYPES, load_generator
    from harness.replay import interventions_of, replay
    from harness.runs import trace_path
    from harness.store.reader import open_trace

    with open_trace(trace_path(run)) as trace:
        dtype = str(trace.metadata["source_dtype"])
        model = load_generator(trace.generator_id, device=device, dtype=dtype if dtype in DTYPES else "float32")
        artifacts = steering.artifacts(model)
        chosen = interventions_of(trace, steering.scripted(model, artifacts))
        result = replay(trace, model, chosen, artifacts)
    answer({"trace": str(trace.path), "interventions": len(chosen), **result.to_json()})
    say(f"{trace.path}: {result.finding}")
