"""Provenance: what it was made with, and the command that makes it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from harness.models import REMOTE_CODE
from harness.report.blocks import Figure, Panel
from harness.report.context import Context
from harness.report.markup import facts
from harness.store.format import LOAD
from harness.store.reader import Trace

_FLAGS = {
    "seed": "--seed",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance-scale",
    "duration_s": "--duration",
}
"""Request field -> flag of ``harness generate``."""
_PYTHON_ONLY = ("negative_prompt", "lyrics")
"""Request fields without a flag."""


def panel(context: Context) -> Panel:
    """Command, request, sampler, versions and hashes."""
    trace = context.trace
    metadata = trace.metadata
    made_with = {
        "generator": trace.generator_id,
        "codec": trace.codec_id,
        "created": metadata["created"],
        "run": metadata["run_id"],
        "trace format": trace.format_version,
        "complete": "yes" if trace.complete else f"no, {trace.steps} of {context.step_count} steps",
        "generator weights (SHA-256)": trace.weights_sha256,
        "codec weights (SHA-256)": metadata["codec_weights_sha256"],
    }
    if "seconds" in metadata:
        made_with["time taken"] = f"{metadata['seconds']:.1f} s"
    pieces: list[Markup | Figure] = [
        _copyable("command", "Command that makes this run again", command(trace.generator_id, trace.request, metadata)),
        *(Markup('<p class="hint">{}</p>').format(remark) for remark in _remarks(trace)),
        _copyable("request", "Request", _pretty(trace.request)),
        _copyable("sampler", "Sampler", _pretty(trace.sampler)),
    ]
    if metadata["extra"]:
        pieces.append(_copyable("extra", "Recorded besides", _pretty(metadata["extra"])))
    pieces += [Markup("<h3>Made with</h3>"), facts(made_with)]
    pieces += [Markup("<h3>Versions</h3>"), facts(metadata["versions"])]
    pieces += [Markup("<h3>Hardware</h3>"), facts(_named(metadata["hardware"]))]
    return Panel("provenance", "Provenance", pieces)


def command(generator_id: str, request: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Shell command that repeats a resolved request, quoted for a POSIX shell."""
    words = ["harness", "generate", "--generator", generator_id, "--prompt", str(request["prompt"])]
    for field, flag in _FLAGS.items():
        if request.get(field) is not None:
            words += [flag, str(request[field])]
    for key, value in request.get("options", {}).items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    for key, value in metadata["extra"].get(LOAD, {}).items():
        words += ["--trust-remote-code"] if key == REMOTE_CODE and value else ["--load", f"{key}={json.dumps(value)}"]
    if metadata["source_dtype"] != "float32":
        words += ["--dtype", metadata["source_dtype"]]
    return shlex.join([*words, "--trace", "--report"])


def _remarks(trace: Trace) -> list[str]:
    """Say what the command alone does not repeat."""
    remarks = []
    unsaid = [field.replace("_", " ") for field in _PYTHON_ONLY if trace.request.get(field)]
    if unsaid:
        remarks.append(f"The {' and '.join(unsaid)} can only be given from Python; see the request below.")
    if trace.metadata["extra"].get("interventions"):
        remarks.append("It was steered, by the interventions below; 'harness replay' repeats them too.")
    if len(trace.batch) > 1:
        remarks.append(
            f"It ran in one batch with {len(trace.batch) - 1} others; alone, the last digits may round differently."
        )
    return remarks


def _named(values: Mapping[str, Any]) -> dict[str, str]:
    """Readable names and values of what is known."""
    return {name.replace("_", " "): str(value) for name, value in values.items() if value is not None}


def _pretty(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _copyable(name: str, title: str, text: str) -> Markup:
    return Markup(
        '<div class="copyable"><h3 id="{0}-title">{1}</h3>'
        '<button type="button" data-copy="{0}-text" aria-describedby="{0}-title">Copy</button>'
        '<pre id="{0}-text" tabindex="0" aria-labelledby="{0}-title">{2}</pre></div>'
    ).format(name, title, text)
