"""A timing map in words."""

from __future__ import annotations

import math

from analysis.steering import TimingMap
from harness.decoding.artifacts import CLEAN
from harness.decoding.emergence import Curves


def finding(found: TimingMap, curves: Curves) -> str:
    """Say until when the property can be changed, beside when it can be read off the clean estimate."""
    fixed = float(found.commitment.value)
    best = float(found.by_window.value.max())
    if math.isnan(fixed):
        return f"No window of t moves {found.property} by a tenth of what was wanted (the best by {best:.0%})."
    half_t = known(found, curves)
    if math.isnan(half_t):
        read = "its probe is too weak to say when it is known"
    elif half_t <= 0:
        read = "the clean estimate has it from the start"
    elif math.isinf(half_t):
        read = "the clean estimate never has it half-way to the probe's ceiling"
    else:
        read = f"the clean estimate has it, half-way to the probe's ceiling, from t = {half_t:.2f}"
    since = f"half of the largest effect is there from t = {found.opening:.2f}"
    return f"{found.property.capitalize()}: {since}, and left up to t = {found.commitment:.2f}; {read}."


def known(found: TimingMap, curves: Curves) -> float:
    """Return the t from which the clean estimate tells the property; NaN where nothing tells."""
    curve = curves.get((found.property, ("x1_hat", CLEAN)))
    return math.nan if curve is None else float(curve.half_t.value)
