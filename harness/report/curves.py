"""Pieces made of emergence curves, of one run or of many: accuracy, order, and the figures at a glance."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from analysis.emergence import EmergenceCurve, compare_order
from harness.decoding.artifacts import CLEAN
from harness.decoding.emergence import Curves
from harness.decoding.summary import first_view
from harness.report import emergence, plots
from harness.report.blocks import Figure, Table
from harness.report.latents import MAX_ROWS
from harness.report.markup import table, tie

MIN_HEADROOM = 0.1
"""How far a probe's ceiling must lie above chance for its rise to be compared: less is dominated by noise."""


def accuracy(curves: Curves, name: str, caption: str) -> Figure:
    """Accuracy of every property in both views, with all baselines; ``caption`` is added to what it shows."""
    estimated = first_view(curves)
    names = list(estimated)
    t = next(iter(estimated.values())).t
    clauses, middle = [], (len(t) - 1) // 2
    for each in names:
        estimate, state = (curves[each, (view, CLEAN)] for view in ("x1_hat", "x_t"))
        clauses.append(
            f"{each} {estimate.accuracy.value[middle]:.0%} in the clean estimate and "
            f"{state.accuracy.value[middle]:.0%} in the state "
            f"(always the commonest class: {estimate.chance.value:.0%})"
        )
    rows = []
    for step in plots.thin(len(t), MAX_ROWS):
        cells = [_interval(curves[each, (view, CLEAN)], int(step)) for each in names for view in ("x1_hat", "x_t")]
        rows.append([str(step), f"{t[step]:.2f}", *cells])
    return Figure(
        name,
        "What each step already tells",
        emergence.accuracy_figure(curves, names),
        f"Half-way, at step {middle}, probes read right: {'; '.join(clauses)}. {caption}",
        Table(["step", "t", *(f"{each}, {view}" for each in names for view in ("x1_hat", "x_t"))], rows),
    )


def glance(curves: Curves) -> Markup:
    """Baselines, ceiling and commit steps of every property, in a table that is always seen."""
    head = ["property", "commonest class", "shuffled", "first step", "ceiling", "commits, x1_hat", "commits, x_t"]
    rows = []
    for name, curve in first_view(curves).items():
        levels = (curve.chance.value, curve.shuffled[-1], curve.step_0.value, curve.ceiling.value)
        commits = (
            f"step {int(c.commit_step.value)} (t = {c.commit_t:.2f})" for c in (curve, curves[name, ("x_t", CLEAN)])
        )
        rows.append([name, *(f"{float(level):.2f}" for level in levels), *(tie(text) for text in commits)])
    return table(head, rows, "Baselines, ceilings and commit steps")


def order(curves: Curves, name: str) -> list[Figure]:
    """Each property from chance to its probe's ceiling; nothing where no ceiling lies above chance."""
    estimated = first_view(curves)
    comparable = {
        each: curve for each, curve in estimated.items() if curve.ceiling.value - curve.chance.value >= MIN_HEADROOM
    }
    if not comparable:
        return []
    rows = [
        [each, number(curve.half_t.value), f"{number(curve.half_t.low)} to {number(curve.half_t.high)}"]
        for each, curve in comparable.items()
    ]
    return [
        Figure(
            name,
            "Which comes first",
            emergence.order_figure(comparable),
            _order_caption(comparable, [each for each in estimated if each not in comparable]),
            Table(["property", "half is kept from t", "95% interval"], rows),
        )
    ]


def _order_caption(comparable: dict[str, EmergenceCurve], others: list[str]) -> str:
    words = (
        "A property that is easier to read seems to emerge earlier, so each is shown from what naming the commonest "
        "class gets right (0) to what its probe reaches on the final latent (1)."
    )
    reached = {name: curve for name, curve in comparable.items() if np.isfinite(curve.half_t.value)}
    if reached:
        ranked = sorted(reached.values(), key=lambda curve: float(curve.half_t.value))
        listed = ", ".join(f"{curve.property} at t = {number(curve.half_t.value)}" for curve in ranked)
        words += f" Half of that is kept from: {listed}."
    if len(comparable) > 1:
        order = compare_order(list(comparable.values()))
        sure = all(order.separated[i, i + 1] for i in range(len(order.properties) - 1))
        words += " The intervals separate this order." if sure else " The intervals do not separate this order."
    if others:
        words += f" Left out, because naming the commonest class is about as good here: {', '.join(others)}."
    return words


def _interval(curve: EmergenceCurve, step: int) -> str:
    part = curve.accuracy[step]
    ends = f" [{part.low:.2f}, {part.high:.2f}]" if np.isfinite(part.low) else ""
    return f"{part.value:.2f}{ends}"


def number(value: np.ndarray) -> str:
    """Write a number; a time that is never reached is infinite, and what is undefined is NaN."""
    if np.isnan(value):
        return "–"
    return f"{float(value):.2f}" if np.isfinite(value) else "never"
