"""Decoded: what probes read in every step, against what the final sound turned out to be."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from analysis.emergence import EmergenceCurve, compare_order
from harness.decoding.artifacts import CLEAN
from harness.decoding.decode import Decoded
from harness.decoding.emergence import Curves
from harness.decoding.summary import finding, first_view
from harness.report import emergence, plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.context import Context
from harness.report.latents import MAX_ROWS
from harness.report.markup import table, tie

MIN_HEADROOM = 0.1
"""How far a probe's ceiling must lie above chance for its rise to be compared: less is dominated by noise."""


def panel(context: Context) -> Panel | None:
    """Curves, order, decoded pitch and top features; None for a trace that has not been decoded."""
    decoded = context.decoded
    if decoded is None:
        return None
    curves = context.curves
    pieces: list[Markup | Figure] = [
        Markup('<p class="finding">{}</p>').format(tie(finding(curves))),
        Markup('<p class="hint">{}</p>').format(_method(decoded)),
    ]
    estimated = first_view(curves)
    if estimated:
        pieces += [
            _glance(curves, estimated),
            _accuracy(decoded, curves),
            *_order(estimated),
            _convergence(decoded, estimated),
        ]
    if "pitch" in estimated:
        pieces.append(_pitch(decoded))
    if any(part.top for part in decoded.properties.values()):
        pieces.append(_top(decoded))
    return Panel("decoded", "Decoded", pieces)


def _method(decoded: Decoded) -> str:
    sae = decoded.artifacts["sae"]
    reads = f"features of a {sae['architecture']} SAE ({sae['d_sae']} wide)" if sae else "latents"
    return (
        f"Linear probes read the {reads} in every frame of every step; a frame counts as right where the likeliest "
        f"class is that of the {decoded.compared_with}. Bands: 95 % intervals from resampling stretches of frames; "
        "they say nothing about other runs (harness decode takes many)."
    )


def _accuracy(decoded: Decoded, curves: Curves) -> Figure:
    names = list(first_view(curves))
    clauses, middle = [], decoded.steps // 2
    for name in names:
        estimate, state = (curves[name, (view, CLEAN)] for view in ("x1_hat", "x_t"))
        clauses.append(
            f"{name} {estimate.accuracy.value[middle]:.0%} in the clean estimate and "
            f"{state.accuracy.value[middle]:.0%} in the state (chance {estimate.chance.value:.0%})"
        )
    rows = []
    for step in plots.thin(decoded.steps, MAX_ROWS):
        cells = [_interval(curves[name, (view, CLEAN)], int(step)) for name in names for view in ("x1_hat", "x_t")]
        rows.append([str(step), f"{decoded.t[step]:.2f}", *cells])
    return Figure(
        "decoded-accuracy",
        "What each step already tells",
        emergence.accuracy_figure(curves, names),
        f"Half-way, at step {middle}, probes read right: {'; '.join(clauses)}. The sampler is deterministic, so even "
        "the first step carries the outcome; only what rises above its line is new.",
        Table(["step", "t", *(f"{name}, {view}" for name in names for view in ("x1_hat", "x_t"))], rows),
    )


def _glance(curves: Curves, estimated: dict[str, EmergenceCurve]) -> Markup:
    """Baselines, ceiling and commit steps of every property, in a table that is always seen."""
    head = ["property", "chance", "shuffled", "first step", "ceiling", "commits, x1_hat", "commits, x_t"]
    rows = []
    for name, curve in estimated.items():
        levels = (curve.chance.value, curve.shuffled[-1], curve.step_0.value, curve.ceiling.value)
        commits = (
            f"step {int(c.commit_step.value)} (t = {c.commit_t:.2f})" for c in (curve, curves[name, ("x_t", CLEAN)])
        )
        rows.append([name, *(f"{float(level):.2f}" for level in levels), *(tie(text) for text in commits)])
    return table(head, rows, "Baselines, ceilings and commit steps")


def _order(estimated: dict[str, EmergenceCurve]) -> list[Figure]:
    comparable = {
        name: curve for name, curve in estimated.items() if curve.ceiling.value - curve.chance.value >= MIN_HEADROOM
    }
    if not comparable:
        return []
    rows = [
        [name, _number(curve.half_t.value), f"{_number(curve.half_t.low)} to {_number(curve.half_t.high)}"]
        for name, curve in comparable.items()
    ]
    return [
        Figure(
            "decoded-order",
            "Which comes first",
            emergence.order_figure(comparable),
            _order_caption(comparable, [name for name in estimated if name not in comparable]),
            Table(["property", "half is kept from t", "95 % interval"], rows),
        )
    ]


def _order_caption(comparable: dict[str, EmergenceCurve], others: list[str]) -> str:
    words = (
        "A property that is easier to read seems to emerge earlier, so each is shown from chance (0) to what its probe "
        "reaches on the final latent (1)."
    )
    reached = {name: curve for name, curve in comparable.items() if np.isfinite(curve.half_t.value)}
    if reached:
        ranked = sorted(reached.values(), key=lambda curve: float(curve.half_t.value))
        listed = ", ".join(f"{curve.property} at t = {_number(curve.half_t.value)}" for curve in ranked)
        words += f" Half of that is kept from: {listed}."
    if len(comparable) > 1:
        order = compare_order(list(comparable.values()))
        sure = all(order.separated[i, i + 1] for i in range(len(order.properties) - 1))
        words += " The intervals separate this order." if sure else " The intervals do not separate this order."
    if others:
        words += f" Left out, because naming the commonest class is about as good here: {', '.join(others)}."
    return words


def _convergence(decoded: Decoded, estimated: dict[str, EmergenceCurve]) -> Figure:
    half = [f"{name} {curve.js_distance.value[decoded.steps // 2]:.2f}" for name, curve in estimated.items()]
    fragile = [f"{name} {curve.paek_fragile:.0%}" for name, curve in estimated.items()]
    rows = [
        [
            str(step),
            f"{decoded.t[step]:.2f}",
            *(_number(part.value[step]) for curve in estimated.values() for part in (curve.paek, curve.js_distance)),
        ]
        for step in plots.thin(decoded.steps, MAX_ROWS)
    ]
    return Figure(
        "decoded-convergence",
        "How near the decode is to its last one",
        emergence.convergence_figure(estimated),
        "Above, the published metric of Paek et al. (arXiv 2510.23802), 0 at the first step and 1 at the last. It "
        f"divides noise by noise in classes whose probability hardly changes ({', '.join(fragile)} of them), so read "
        f"it with care. Below, the Jensen-Shannon distance, which is stable; half-way: {', '.join(half)}.",
        Table(["step", "t", *(f"{name}, {what}" for name in estimated for what in ("Paek", "JS"))], rows),
    )


def _pitch(decoded: Decoded) -> Figure:
    pitch = decoded.properties["pitch"]
    steps = plots.thin(decoded.steps, MAX_ROWS)
    values = emergence.decoded_values(pitch, steps)
    error = np.abs(values - pitch.values)
    first, last = (float(np.nanmedian(error[row])) for row in (0, -1))
    rows = [
        [str(step), f"{decoded.t[step]:.2f}", f"{np.nanmedian(off):.1f}", f"{np.nanmean(off <= pitch.tolerance):.0%}"]
        for step, off in zip(steps, error, strict=True)
    ]
    return Figure(
        "decoded-pitch",
        "Decoded pitch of the clean estimate",
        emergence.pitch_figure(decoded, pitch),
        f"Colour: the likeliest note at each step and time. Line: f0 of the {decoded.compared_with}, its height read "
        f"on the colour scale. The typical frame is {first:.1f} semitones off at the first step and {last:.1f} at the "
        "last. Blank: no pitch there in the end.",
        Table(["step", "t", "median error (semitones)", f"within {pitch.tolerance:g} semitones"], rows),
    )


def _top(decoded: Decoded) -> Figure:
    parts = [part for part in decoded.properties.values() if part.top]
    what = "Feature" if decoded.artifacts["sae"] else "Channel"
    strongest = [
        f"{part.name} rests most on {what.lower()} {part.top[0].feature} "
        f"(for {emergence.class_name(part, part.top[0].speaks_for)})"
        for part in parts
    ]
    rows = [
        [
            part.name,
            str(feature.feature),
            emergence.class_name(part, feature.speaks_for),
            f"{feature.contribution:.2f}",
            f"{feature.active:.0%}",
            "–" if feature.f1 is None else f"{feature.f1:.2f}",
        ]
        for part in parts
        for feature in part.top
    ]
    return Figure(
        "decoded-features",
        f"{what}s behind the decode",
        emergence.top_figure(parts),
        f"In the final latents, {'; '.join(strongest)}. Bars: mean part in the log odds of the decoded class; on them "
        "the class that the feature speaks for.",
        Table(["property", what.lower(), "speaks for", "adds (nats)", "active in", "F1 alone, here"], rows),
    )


def _interval(curve: EmergenceCurve, step: int) -> str:
    part = curve.accuracy[step]
    ends = f" [{part.low:.2f}, {part.high:.2f}]" if np.isfinite(part.low) else ""
    return f"{part.value:.2f}{ends}"


def _number(value: np.ndarray) -> str:
    """Write a number; a time that is never reached is infinite, and what is undefined is NaN."""
    if np.isnan(value):
        return "–"
    return f"{float(value):.2f}" if np.isfinite(value) else "never"
