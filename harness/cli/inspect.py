"""``harness inspect``: what a trace holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import answer, quoted, say, wants_json
from harness.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from harness.store.reader import Trace


@click.command("inspect")
@click.argument("path", metavar="RUN|TRACE", type=click.Path(path_type=Path))
@json_option
@debug_option
def command(path: Path) -> None:
    """Show what a trace holds: request, steps, hook points."""
    from harness.runs import trace_path
    from harness.store.reader import open_trace

    with open_trace(trace_path(path)) as trace:
        document = _document(trace)
    if wants_json():
        answer(document)
    else:
        _show(document)


def _document(trace: Trace) -> dict[str, Any]:
    audio = trace.audio
    document = {
        "path": str(trace.path),
        "complete": trace.complete,
        "format_version": trace.format_version,
        "steps": trace.steps,
        "t": [float(t) for t in trace.t],
        "hook_points": {
            name: {"shape": list(point["shape"]), "dtype": str(point["dtype"])}
            for name, point in trace.hook_points.items()
        },
        "request": dict(trace.request),
        "sampler": dict(trace.sampler),
        "generator": {"id": trace.generator_id, "weights_sha256": trace.weights_sha256},
        "codec": {"id": trace.codec_id, "frame_rate_hz": trace.frame_rate_hz},
        "audio": None
        if audio is None
        else {"shape": list(audio.shape), "dtype": str(audio.dtype), "sample_rate_hz": trace.sample_rate_hz},
    }
    rest = {key: value for key, value in trace.metadata.items() if key not in document}
    return {**document, "metadata": rest}


def _show(document: dict[str, Any]) -> None:
    request = document["request"]
    state = "complete" if document["complete"] else "incomplete: the generation was stopped or is still running"
    say(f"{document['path']}  (format {document['format_version']}, {state})")
    say(f"  prompt     {quoted(request['prompt'])}")
    say(f"  generator  {document['generator']['id']}, seed {request['seed']}")
    say(f"  steps      {document['steps']} of {len(document['t']) - 1}")
    audio = document["audio"]
    if audio:
        seconds = audio["shape"][-1] / audio["sample_rate_hz"]
        say(f"  audio      {seconds:.2f} s, {audio['shape'][0]} channel(s), {audio['sample_rate_hz']} Hz")
    say("  hook points")
    for name, point in document["hook_points"].items():
        say(f"    {name:32} {point['dtype']:8} {point['shape']}")
