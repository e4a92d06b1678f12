"""What a study leaves for people: one HTML page, one CSV, one table for documents."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from harness.files import whole
from harness.provenance import hardware, versions
from harness.report import markup
from harness.report.blocks import Panel

REPORT, TABLE = "report.html", "table.csv"
UNTRAINED = (
    "Random weights. This run shows that every step works from end to end; its numbers say nothing about the system."
)


def write_page(
    out: Path, heading: str, panels: Sequence[Panel], settings: Mapping[str, Any], *, untrained: bool
) -> Path:
    """Write ``report.html``: the panels, then what it was made with; a note on top where the weights are random."""
    pieces = [
        Markup('<h3>Settings</h3><pre tabindex="0">{}</pre>').format(json.dumps(settings, indent=2)),
        Markup("<h3>Versions</h3>") + markup.facts(versions()),
        Markup("<h3>Hardware</h3>") + markup.facts({name: str(value) for name, value in hardware().items()}),
    ]
    notes = [UNTRAINED] if untrained else []
    page = markup.render(heading, [*panels, Panel("provenance", "Provenance", pieces)], notes, heading)
    with whole(out / REPORT) as part:
        part.write_bytes(page.encode("utf-8", "replace"))
    return out / REPORT


def write_csv(out: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """Write ``table.csv``; None becomes an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    with whole(out / TABLE) as part:
        part.write_text(text.getvalue(), encoding="utf-8")
    return out / TABLE


def as_markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table for a Markdown document."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
