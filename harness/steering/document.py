"""What an experiment comes to: the document of ``harness steer --json``, and one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis import properties
from analysis.steering import JUDGED, Comparison, Target
from analysis.steering.comparison import unit
from harness.steering.result import ARMS, SteeringResult


def document(result: SteeringResult) -> dict[str, Any]:
    """Describe a finished experiment, JSON-ready; None where a number is not defined."""
    return {
        **{arm: {"audio": str(result.audio(arm)), "trace": str(result.trace(arm))} for arm in ARMS},
        "effect": {name: _effect(result, name) for name in JUDGED},
        "interventions": list(result.interventions),
        "relative_norm": dict(result.relative_norm),
        "seeds": list(result.seeds),
        "over_seeds": {arm: effect.to_json() for arm, effect in result.over_seeds.items()},
        "dose_response": {name: found.to_json() for name, found in result.doses.items()},
        "notes": list(result.notes),
    }


def finding(result: SteeringResult) -> str:
    """Say what became of the target, and what else moved."""
    steered, control = result.recorded["steered"], result.recorded["control"]
    target = result.target
    if target is None:
        moved = ", ".join(f"{name} {change(steered, name)}" for name in JUDGED)
        return f"The edit moved {moved}."
    others = ", ".join(f"{name} moved by {change(steered, name)}" for name in JUDGED if name != target.property)
    got, random = (change(found, target.property) for found in (steered, control))
    verdict = "is on target" if steered.reached else "misses the target"
    if not steered.eligible:
        verdict = "cannot be judged"
    share = "" if np.isnan(steered.on_target) else f" in {steered.on_target:.0%} of the judged frames"
    return (
        f"{target.property.capitalize()} {verdict} ({wanted(target)}): it moved by {got}, within tolerance{share}; "
        f"{others}. A random edit of the same size moved {target.property} by {random}."
    )


def change(comparison: Comparison, name: str) -> str:
    """Write the change of a property in words; a dash where it is not defined."""
    return _signed(comparison.change[name], name)


def wanted(target: Target) -> str:
    """Write a target in words."""
    if target.change is not None:
        return f"wanted {_signed(target.change, target.property)}"
    return f"wanted {properties.load(target.property).format(float(target.to or 0.0))}"


def _effect(result: SteeringResult, name: str) -> dict[str, Any]:
    """One property of the recorded seed.

    ``steered`` and ``control`` are the baseline's typical value and the typical change of a frame, so that their
    difference from ``baseline`` is the paired change.
    """
    steered, control = result.recorded["steered"], result.recorded["control"]
    baseline, target = steered.baseline[name], result.target
    is_target = target is not None and target.property == name
    wanted_value = None
    if target is not None and is_target:
        wanted_value = target.to if target.change is None else baseline + target.change
    return {
        "baseline": _finite(baseline),
        "steered": _finite(baseline + steered.change[name]),
        "control": _finite(baseline + control.change[name]),
        "unit": unit(name),
        "target": None if wanted_value is None else _finite(wanted_value),
        "reached": steered.reached if is_target and steered.eligible else None,
    }


def _signed(amount: float, name: str) -> str:
    return "–" if np.isnan(amount) else f"{amount:+.2f} {unit(name)}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
