"""Decoded: what probes read in every step, against what the final sound turned out to be."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from analysis.emergence import EmergenceCurve
from harness.decoding.decode import Decoded
from harness.decoding.summary import finding, first_view
from harness.report import emergence, plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.context import Context
from harness.report.curves import accuracy, glance, number, order
from harness.report.latents import MAX_ROWS
from harness.report.markup import tie

DETERMINISTIC = (
    "The sampler is deterministic, so even the first step carries the outcome; only what rises above its line is new."
)


def panel(context: Context) -> Panel | None:
    """Curves, order and decoded pitch; None for a trace that has not been decoded."""
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
            glance(curves),
            accuracy(curves, "decoded-accuracy", DETERMINISTIC),
            *order(curves, "decoded-order"),
            _convergence(decoded, estimated),
        ]
    if "pitch" in estimated:
        pieces.append(_pitch(decoded))
    return Panel("decoded", "Decoded", pieces)


def _method(decoded: Decoded) -> str:
    sae = decoded.artifacts["sae"]
    reads = f"features of a {sae['architecture']} SAE ({sae['d_sae']} wide)" if sae else "latents"
    return (
        f"Linear probes read the {reads} in every frame of every step; a frame counts as right where the likeliest "
        f"class is that of the {decoded.compared_with}. Bands: 95% intervals from resampling stretches of frames; "
        "they say nothing about other runs (harness decode takes many)."
    )


def _convergence(decoded: Decoded, estimated: dict[str, EmergenceCurve]) -> Figure:
    half = [f"{name} {curve.js_distance.value[decoded.steps // 2]:.2f}" for name, curve in estimated.items()]
    fragile = [f"{name} {curve.paek_fragile:.0%}" for name, curve in estimated.items()]
    rows = [
        [
            str(step),
            f"{decoded.t[step]:.2f}",
            *(number(part.value[step]) for curve in estimated.values() for part in (curve.paek, curve.js_distance)),
        ]
        for step in plots.thin(decoded.steps, MAX_ROWS)
    ]
    return Figure(
        "decoded-convergence",
        "How near the decode is to its last one",
        emergence.convergence_figure(estimated),
        f"Above, drawn up to {emergence.PAEK_RANGE[1]:g}, the published metric of Paek et al. (arXiv 2510.23802): 0 at "
        "the first step, 1 at the last. It divides noise by noise in classes whose probability hardly changes "
        f"({', '.join(fragile)} of them), so read it with care. Below, the Jensen-Shannon distance, "
        f"which is stable; half-way: {', '.join(half)}.",
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
