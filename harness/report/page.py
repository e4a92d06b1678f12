"""The report of one trace: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from pathlib import Path

from generators.codecs.base import Codec
from harness import registry
from harness.files import whole
from harness.models import require_codec
from harness.report import context, markup
from harness.report.panels import PANELS
from harness.store.reader import Trace


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    finding: str
    """What was found, in one sentence."""


def build_report(trace: Trace, codec: Codec, out: Path, *, audio_steps: int = 9) -> Report:
    """Write the report of ``trace`` to the file ``out``, replacing what is there only once the page is whole.

    Parameters
    ----------
    trace
        Complete or not; the page says what is missing.
    codec
        The codec the trace was made with.
    audio_steps
        Steps whose clean estimate is decoded, measured and embedded as audio, first and last included.

    Raises
    ------
    InputError
        If ``codec`` is another one, or ``audio_steps`` is below 2.
    StorageError
        If ``out`` cannot be written.
    """
    require_codec(trace, codec)
    gathered = context.gather(trace, codec, audio_steps)
    targets = {**PANELS, **registry.table("panels", PANELS)}  # the built-in ones first, in their order
    built = [pkgutil.resolve_name(target)(gathered) for target in targets.values()]
    panels = [panel for panel in built if panel is not None]
    prompt = " ".join(str(trace.request.get("prompt", "")).split())
    title = f"{prompt[:80] or '(empty prompt)'} · {trace.generator_id}"
    page = markup.render(title, panels, gathered.notes)
    with whole(out) as part:
        part.write_bytes(page.encode("utf-8", "replace"))
    return Report(out, gathered.finding)
