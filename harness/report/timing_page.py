"""The page of a timing study."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from harness.files import whole
from harness.report import markup
from harness.report.blocks import Panel
from harness.report.page import Report
from harness.report.panels import timing
from harness.runs import REPORT
from harness.steering.timing import TimingStudy
from harness.steering.timing_config import CHANGES
from harness.steering.timing_words import finding


def build_timing_report(study: TimingStudy, out: Path | None = None) -> Report:
    """Write the page of a study to the file ``out``, by default into its folder.

    Raises ``StorageError`` if it cannot be written.
    """
    found = " ".join(finding(each, study.curves) for each in study.maps.values())
    overview = Panel(
        "overview", "Overview", [Markup('<p class="finding">{}</p>').format(markup.tie(found)), _facts(study)]
    )
    panels = [overview, *(timing.panel(each, study.curves) for each in study.maps.values())]
    page = markup.render("Timing study", panels, (), "Timing study")
    out = out or study.out / REPORT
    with whole(out) as part:
        part.write_bytes(page.encode("utf-8", "replace"))
    return Report(out, found)


def _facts(study: TimingStudy) -> Markup:
    first = next(iter(study.maps.values()))
    wanted = ", ".join(f"{name} {CHANGES[name]:+g}" for name in study.maps)
    return markup.facts(
        {
            "change at strength 1": wanted,
            "windows of t": str(len(first.windows)),
            "strengths": ", ".join(f"{strength:g}" for strength in first.strengths),
            "runs that count": ", ".join(f"{name} {each.runs}" for name, each in study.maps.items()),
            "table": Path(study.table).name,
        }
    )
