"""Timing variants of the same work fairly: in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap, quantile_test

Times = Mapping[str, Mapping[str, list[float]]]
"""Variant -> clock (``wall_s``, ``cpu_s``) -> seconds per round."""


def in_turns(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Run every variant once to warm up, then ``rounds`` times in turns, the first one changing every round.

    Returns wall and CPU seconds (all threads of this process) per variant and round.
    """
    for run in variants.values():
        run()
    names = list(variants)
    times: dict[str, dict[str, list[float]]] = {name: {"wall_s": [], "cpu_s": []} for name in names}
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            variants[name]()
            times[name]["cpu_s"].append(time.process_time() - cpu_s)
            times[name]["wall_s"].append(time.perf_counter() - wall_s)
    return times


def against(times: Times, base: str) -> dict[str, dict[str, Any]]:
    """Give medians per variant, and how it compares with ``base`` in the same round.

    ``..._ratio`` is the median over rounds of the ratio, ``..._extra_ms`` that of the difference; ``..._95`` are the
    ends of the median's 95 % interval, by the sign test, or None where there are too few rounds for one.
    """
    table: dict[str, dict[str, Any]] = {}
    for name, measured in times.items():
        row: dict[str, Any] = {}
        for clock, seconds in measured.items():
            row[clock] = round(statistics.median(seconds), 5)
            if name == base:
                continue
            pairs = list(zip(seconds, times[base][clock], strict=True))
            row |= _median(clock.replace("_s", "_ratio"), [own / other for own, other in pairs])
            row |= _median(clock.replace("_s", "_extra_ms"), [1e3 * (own - other) for own, other in pairs])
        table[name] = row
    return table


def share(times: Times, own: str, other: str, base: str, clock: str = "cpu_s") -> dict[str, Any]:
    """Give what ``own`` takes beyond ``base`` as a share of what ``other`` takes beyond it: medians over rounds.

    The 95 % interval is a bootstrap over rounds.
    """
    samples = tuple(np.array(times[name][clock]) for name in (own, other, base))

    def statistic(own: Any, other: Any, base: Any, *, axis: int = -1) -> Any:
        return np.median(own - base, axis=axis) / np.median(other - base, axis=axis)

    ends = bootstrap(samples, statistic, paired=True, method="percentile", rng=0).confidence_interval
    return {"share": round(float(statistic(*samples)), 3), "share_95": [round(float(end), 3) for end in ends]}


def _median(name: str, values: Sequence[float]) -> dict[str, Any]:
    ends = quantile_test(values, p=0.5).confidence_interval()
    known = not (math.isnan(ends.low) or math.isnan(ends.high))
    return {
        name: round(statistics.median(values), 4),
        f"{name}_95": [round(float(ends.low), 4), round(float(ends.high), 4)] if known else None,
    }


def report(document: Mapping[str, Any], out: Path) -> None:
    """Print ``document`` as JSON and write it to ``out``."""
    text = json.dumps(document, indent=2)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"written to {out}")
