"""What a decode comes to: the document of ``harness decode --json``, and one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.bootstrap import Interval
from analysis.emergence import EmergenceCurve, compare_order
from harness.decoding.artifacts import CLEAN, VIEWS
from harness.decoding.decode import Decoded
from harness.decoding.emergence import Curves, Emergence

MOSTLY = 0.5
"""A probe that is right less often than this on the final latent, and than chance, tells nothing."""


def run_document(
    trace: str, decoded: Decoded, curves: Curves, interventions: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Describe one run: accuracies of its finished steps; None where no frame of the final sound has the property.

    ``interventions`` are what steered it, as its trace lists them.
    """
    return {
        "trace": trace,
        "interventions": list(interventions),
        "properties": {
            name: _property(decoded.steps, {view: curves.get((name, (view, CLEAN))) for view in VIEWS})
            for name in decoded.properties
        },
    }


def group_document(group: Emergence, curves: Curves) -> dict[str, Any]:
    """Describe runs taken together: every curve in full, and the order of emergence in the clean estimate."""
    by_property: dict[str, dict[str, Any]] = {}
    for (name, (view, how)), curve in curves.items():
        by_property.setdefault(name, {}).setdefault(view, {})[how] = curve.to_json()
    estimated = first_view(curves)
    return {
        "traces": list(group.runs.values()),
        "interventions": group.interventions,
        "properties": by_property,
        "order": compare_order(list(estimated.values())).to_json() if len(estimated) > 1 else None,
    }


def first_view(curves: Curves) -> dict[str, EmergenceCurve]:
    """Pick the clean-trained curves of the clean estimate, by property."""
    return {name: curve for (name, decoder), curve in curves.items() if decoder == (VIEWS[0], CLEAN)}


def finding(curves: Curves) -> str:
    """Say from which step on the clean estimate has what it will end with, and which probes are too weak to tell."""
    estimated = first_view(curves)
    if not estimated:
        return "The final sound has none of the properties, so there is nothing to compare."
    weak = [
        name for name, curve in estimated.items() if float(curve.ceiling.value) < min(float(curve.chance.value), MOSTLY)
    ]
    ranked = sorted(
        (curve for name, curve in estimated.items() if name not in weak),
        key=lambda curve: float(curve.commit_step.value),
    )
    sentences = []
    if ranked:
        clauses = listed([f"{curve.property} {_since(curve)}" for curve in ranked])
        sentences.append(
            f"In half of the frames what the probes read from the clean estimate is final from then on: {clauses}."
        )
    if weak:
        sentences.append(
            f"About {listed(weak)} the probe is mostly wrong even on the final latent, and naming the commonest class "
            "would do better: nothing follows for it."
        )
    return " ".join(sentences)


def steered_by(interventions: Sequence[Mapping[str, Any]]) -> str:
    """Write ``, steered by set-property`` after the name of runs; nothing for those that were not."""
    return f", steered by {listed([str(item['kind']) for item in interventions])}" if interventions else ""


def listed(parts: list[str]) -> str:
    """Write ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _since(curve: EmergenceCurve) -> str:
    step = int(curve.commit_step.value)
    return f"from step {step} (t = {curve.commit_t:.2f})" if step else "from the first step"


def _property(steps: int, views: Mapping[str, EmergenceCurve | None]) -> dict[str, Any]:
    estimated = views[VIEWS[0]]
    return {
        **{view: _accuracy(steps, curve) for view, curve in views.items()},
        "chance": None if estimated is None else float(estimated.chance.value),
        "commit_step": None if estimated is None else int(estimated.commit_step.value),
        "commit_t": None if estimated is None else estimated.commit_t,
    }


def _accuracy(steps: int, curve: EmergenceCurve | None) -> dict[str, Any]:
    undefined = np.full(steps, np.nan)
    accuracy = Interval(undefined, undefined, undefined) if curve is None else curve.accuracy[:steps]
    numbers = accuracy.to_json()
    return {"accuracy": numbers["value"], "low": numbers["low"], "high": numbers["high"]}
