"""Guidance: what the prompt pulls, beside the branches it is made of."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from harness.report.blocks import Figure, Panel, Table
from harness.report.context import Context
from harness.report.guidance import NAMES, BranchReadings, Push


def panel(context: Context) -> Panel | None:
    """Sizes and angles, and per property what each branch holds; None for a trace without guidance."""
    push = Push.of(context.trace)
    if push is None:
        return None
    pieces: list[Markup | Figure] = []
    if context.decoded is not None and context.artifacts is not None:
        readings = BranchReadings.of(context.trace, context.decoded, context.artifacts)
        if readings.probability:
            pieces.append(_readings(readings))
    else:
        pieces.append(Markup('<p class="hint">What each branch holds of the properties needs a decode.</p>'))
    return Panel("guidance", "Guidance", [*pieces, _push(push)])


def _readings(readings: BranchReadings) -> Figure:
    words = []
    for name in readings.probability:
        gain = readings.gain(name)
        most = int(np.abs(gain).argmax())
        words.append(f"{name} {gain[most]:+z.2f} at step {readings.steps[most]} (over all steps {gain.mean():+z.2f})")
    rows = [
        [str(step), *(f"{branches[b][row]:.2f}" for branches in readings.probability.values() for b in NAMES)]
        for row, step in enumerate(readings.steps)
    ]
    return Figure(
        "guidance-readings",
        "What each branch holds of the final sound",
        readings.figure(),
        "Mean probability of the final sound's class, read in the clean estimate of each branch. Largest difference "
        f"that guidance makes to the branch with the prompt: {'; '.join(words)}.",
        Table(["step", *(f"{name}, {branch}" for name in readings.probability for branch in NAMES)], rows),
    )


def _push(push: Push) -> Figure:
    strongest, widest = int(push.share.argmax()), int(push.angle.argmax())
    rows = [
        [str(step), f"{share:.1%}", f"{angle:.1f}"]
        for step, share, angle in zip(push.steps, push.share, push.angle, strict=True)
    ]
    return Figure(
        "guidance-push",
        "How hard guidance pushes",
        push.figure(),
        f"Guidance changes the velocity most at step {push.steps[strongest]}, by {push.share[strongest]:.0%} of its "
        f"size with the prompt alone. The branches are furthest apart at step {push.steps[widest]}: "
        f"{push.angle[widest]:.0f} degrees.",
        Table(["step", "added by guidance", "cond to uncond (degrees)"], rows),
    )
