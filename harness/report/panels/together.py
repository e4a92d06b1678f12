"""Together: emergence over all runs that may be averaged over, with intervals over runs."""

from __future__ import annotations

from markupsafe import Markup

from harness.decoding.summary import finding, first_view
from harness.report.blocks import Figure, Panel
from harness.report.chart import EmergenceChart
from harness.report.curves import accuracy, glance, order
from harness.report.many import Group, Many
from harness.report.markup import facts, tie

OVER_RUNS = "Bands: 95% intervals from resampling runs, and stretches of frames inside them."


def panel(many: Many) -> Panel:
    """Show what was found, and per group of runs the chart, accuracy with all baselines, and order."""
    prompts = {row.prompt for row in many.rows}
    named = {
        "runs": len(many.rows),
        "prompts": len(prompts),
        "generators": ", ".join(dict.fromkeys(row.generator for row in many.rows)),
        "left out": len(many.skipped),
    }
    pieces: list[Markup | Figure] = [
        Markup('<p class="finding">{}</p>').format(tie(many.finding)),
        facts({name: str(value) for name, value in named.items()}),
    ]
    for index, group in enumerate(many.groups):
        pieces += _group(group, f"-{index}" if index else "", headed=len(many.groups) > 1)
    return Panel("together", "Together", pieces)


def _group(group: Group, suffix: str, *, headed: bool) -> list[Markup | Figure]:
    estimated = first_view(group.curves)
    if not estimated:
        return [Markup('<p class="hint">{}</p>').format(finding(group.curves))]
    chart = EmergenceChart.of((), group.curves)
    table = accuracy(group.curves, f"together-accuracy{suffix}", OVER_RUNS)
    steps = len(next(iter(estimated.values())).t) - 1
    middle = steps // 2
    halfway = ", ".join(f"{name} {curve.accuracy.value[middle]:.0%}" for name, curve in estimated.items())
    overview = Figure(
        f"together-chart{suffix}",
        f"How sounds emerge: {group.name}, {steps} steps" if headed else "How sounds emerge",
        chart.figure(),
        f"Half-way, at step {middle}, the clean estimate is decoded as the final sound in: {halfway} of the frames. "
        f"{OVER_RUNS} Dashed: the share that naming the commonest class gets right.",
        table.table,
        views=[*chart.views],
    )
    return [overview, glance(group.curves), table, *order(group.curves, f"together-order{suffix}")]
