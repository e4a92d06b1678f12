"""Reports: one HTML file, of one trace or of many runs, that opens anywhere, offline."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generators.codecs.base import Codec
from harness import registry
from harness.datasets.reader import Dataset
from harness.decoding.artifacts import Artifacts
from harness.models import require_codec
from harness.report import context, markup
from harness.report.blocks import Panel
from harness.report.context import Context
from harness.report.many import gather_many
from harness.report.panels import PANELS, PANELS_OF_MANY
from harness.report.writing import publish
from harness.store.reader import Trace
from harness.words import counted

Progress = Callable[[str, int, int], None]
"""``(what is being done, units done, units in all)``."""


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    finding: str
    """What was found, in one sentence."""


def build_report(
    trace: Trace,
    codec: Codec,
    out: Path,
    *,
    audio_steps: int | None = 9,
    artifacts: Artifacts | None = None,
    dataset: Dataset | None = None,
    assets: Path | None = None,
) -> Report:
    """Write the report of ``trace`` to the file ``out``, replacing what is there only once the page is whole.

    Parameters
    ----------
    trace
        Complete or not; the page says what is missing.
    codec
        The codec the trace was made with.
    audio_steps
        Steps whose clean estimate is decoded, measured and embedded as audio, first and last included; None for all.
    artifacts
        The SAE and probes that decoded the trace; None for the shipped ones.
    dataset
        Clean latents of the codec, to look for sounds that features are strongest in; None for the run's own sound.
    assets
        Folder for the sounds; None to have them in the page.

    Raises
    ------
    InputError
        If ``codec`` or ``dataset`` is another one, ``audio_steps`` is below 2, or the page would be too large.
    StorageError
        If ``out`` cannot be written.
    """
    require_codec(trace, codec)
    gathered = context.gather(trace, codec, audio_steps, artifacts, dataset)
    prompt = " ".join(str(trace.request.get("prompt", "")).split())
    title = f"{prompt[:80] or '(empty prompt)'} · {trace.generator_id}"
    publish(markup.render(title, panels_of(gathered), gathered.notes), out, assets)
    return Report(out, gathered.finding)


def panels_of(gathered: Context) -> list[Panel]:
    """Build the panels of one trace, in reading order; their figures are plotly figures to draw anywhere."""
    targets = {**PANELS, **registry.table("panels", PANELS)}  # the built-in ones first, in their order
    built = [pkgutil.resolve_name(target)(gathered) for target in targets.values()]
    return [panel for panel in built if panel is not None]


def build_report_of_many(paths: Sequence[Path], out: Path, progress: Progress | None = None) -> Report:
    """Write one page about many decoded traces to the file ``out``.

    Raises ``InputError`` where none of them can be used, ``StorageError`` if ``out`` cannot be written.
    """
    many = gather_many(paths, out, progress)
    built = [pkgutil.resolve_name(target)(many) for target in PANELS_OF_MANY.values()]
    panels = [panel for panel in built if panel is not None]
    notes = [f"Left out: {len(many.skipped)} of {counted(len(paths), 'run')}; see the end."] if many.skipped else []
    runs = counted(len(many.rows), "run")
    publish(markup.render(runs, panels, notes, f"Report of {runs}"), out)
    return Report(out, many.finding)
