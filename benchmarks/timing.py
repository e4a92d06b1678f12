"""Timing variants of the same work fairly: in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


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


def against(times: Mapping[str, Mapping[str, list[float]]], base: str) -> dict[str, dict[str, float]]:
    """Give medians per variant, and the median over rounds of its ratio to ``base`` in the same round."""
    table: dict[str, dict[str, float]] = {}
    for name, measured in times.items():
        row = {}
        for clock, seconds in measured.items():
            ratios = [own / other for own, other in zip(seconds, times[base][clock], strict=True)]
            row[clock] = round(statistics.median(seconds), 5)
            row[clock.replace("_s", "_ratio")] = round(statistics.median(ratios), 4)
        table[name] = row
    return table


def report(document: Mapping[str, Any], out: Path) -> None:
    """Print ``document`` as JSON and write it to ``out``."""
    text = json.dumps(document, indent=2)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"written to {out}")
