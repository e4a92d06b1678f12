"""Emergence: at which step, and how surely, a property of the final audio can be read from the state."""

from analysis.emergence.accumulator import EmergenceAccumulator
from analysis.emergence.curve import EmergenceCurve, View
from analysis.emergence.metrics import commit_steps, crossing_time, js_distance, paek_progress
from analysis.emergence.order import EmergenceOrder, compare_order

__all__ = [
    "EmergenceAccumulator",
    "EmergenceCurve",
    "EmergenceOrder",
    "View",
    "commit_steps",
    "compare_order",
    "crossing_time",
    "js_distance",
    "paek_progress",
]
