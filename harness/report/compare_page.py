"""The page of a comparison of step counts and schedulers."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from harness.compare import Comparison
from harness.report import markup
from harness.report.blocks import Panel
from harness.report.page import Report
from harness.report.panels import compare
from harness.report.writing import publish
from harness.runs import REPORT


def build_compare_report(comparison: Comparison, out: Path) -> Report:
    """Write ``report.html`` into the comparison's folder. Raises ``StorageError`` if it cannot be written."""
    request = comparison.request
    finding = Markup('<p class="finding">{}</p>').format(markup.tie(comparison.finding))
    facts = markup.facts(
        {
            "generator": comparison.generator,
            "seed": str(request.seed),
            "guidance scale": str(request.guidance_scale),
            "reference": comparison.arms[0].name,
        }
    )
    overview = Panel("overview", "Overview", [finding, markup.prompt_block(request.prompt), facts])
    page = markup.render("Step counts and schedulers", [overview, compare.panel(comparison)], (), "Comparison")
    publish(page, out / REPORT)
    return Report(out / REPORT, comparison.finding)
