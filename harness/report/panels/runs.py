"""Runs: all of them in one table, with links to their own reports."""

from __future__ import annotations

from markupsafe import Markup

from harness.report.blocks import Panel
from harness.report.many import Many, RunRow
from harness.report.markup import table


def panel(many: Many) -> Panel:
    """One row a run: what was asked, when it committed; and what was left out."""
    rows = [[_name(many, row), row.prompt or "(empty prompt)", *_facts(many, row)] for row in many.rows]
    head = ["run", "prompt", "seed", "generator", "steps", *(f"{name}, commit step" for name in many.properties)]
    pieces = [
        table(head, rows, "All runs", searchable=True),
        Markup(
            '<p class="hint">Commit step: by it half of the frames have, for good, the decode that the clean estimate '
            "ends with. A run links to its own report where there is one beside its trace.</p>"
        ),
    ]
    if many.skipped:
        left = [[str(path), reason] for path, reason in many.skipped]
        pieces += [Markup("<h3>Left out</h3>"), table(["trace", "reason"], left, "Left out")]
    return Panel("runs", "Runs", pieces)


def _name(many: Many, row: RunRow) -> Markup | str:
    name, link = row.trace.parent.name or str(row.trace), row.link(many.page)
    return Markup('<a href="{}">{}</a>').format(link, name) if link else name


def _facts(many: Many, row: RunRow) -> list[str]:
    commits = [many.group_of(row).commits(row.run, name) for name in many.properties]
    return [
        "–" if row.seed is None else str(row.seed),
        row.generator,
        str(row.steps),
        *("–" if step is None else str(step) for step in commits),
    ]
