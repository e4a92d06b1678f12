"""Until when ``mini``'s pitch, loudness and timbre can be changed, beside when they can be read: fixed against known.

    python -m benchmarks.mini_timing --out benchmarks/results/mini_timing.json --docs docs/steering.md [--small]

The study is kept under ``--work``; one that was stopped goes on from there. About ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from analysis.steering import JUDGED
from benchmarks.pages import insert
from benchmarks.steering import requests_of
from benchmarks.timing import report
from generators.mini.generator import MiniGenerator
from harness.report.timing_page import build_timing_report
from harness.steering.timing import TimingStudy, run_timing
from harness.steering.timing_config import CHANGES, TimingConfig
from harness.steering.timing_words import finding

WINDOWS, STRENGTHS = 8, (-1.0, 1 / 3, 1.0, 5 / 3)
"""Strengths that move the pitch by whole semitones: -3, +1, +3, +5."""
DURATION_S, UPDATES = 3.0, 16


def study_of(generator: MiniGenerator, runs: int, windows: int, out: Path) -> TimingStudy:
    """Run the study on held-out prompts, short clips of half the usual updates; write its page beside it."""
    requests = tuple(
        generator.resolve(dataclasses.replace(request, duration_s=DURATION_S, num_inference_steps=UPDATES))
        for request in requests_of(runs, (1, 1))
    )
    study = run_timing(generator, TimingConfig(JUDGED, windows, STRENGTHS, requests), out)
    build_timing_report(study)
    return study


def markdown(study: TimingStudy, weights_sha256: str) -> str:
    """Write the tables of docs/steering.md: effect in every window of t, fixed against known, findings, strengths."""
    maps = study.maps
    first = next(iter(maps.values()))
    emergence = {name: part["emergence"]["x1_hat"] for name, part in study.to_json().items()}
    head = [
        f"`mini` with weights `{weights_sha256[:12]}`; {DURATION_S:g} s and {UPDATES} updates; "
        f"runs that count: {', '.join(f'{name} {found.runs}' for name, found in maps.items())}. The effect is the "
        f"share of the wanted change that is there at the end, averaged over {len(first.strengths)} changes.",
        "",
        f"| effect of an edit at t | {' | '.join(maps)} |",
        "|---" * (len(maps) + 1) + "|",
    ]
    rows = [
        [f"{start:.3g} to {stop:.3g}", *(_percent(found.by_window.to_json(), w) for found in maps.values())]
        for w, (start, stop) in enumerate(first.windows)
    ]
    rows.append(["open: half of the largest effect is there from t", *(f"{m.opening:.2f}" for m in maps.values())])
    rows.append(["fixed: half of the largest effect is left up to t", *(f"{m.commitment:.2f}" for m in maps.values())])
    rows.append(["known: half-way to the probe's ceiling from t", *(_number(emergence[n]["half_t"]) for n in maps)])
    rows.append(["known: stays within tolerance from t", *(f"{emergence[name]['commit_t']:.2f}" for name in maps)])
    findings = [f"- {finding(found, study.curves)}" for found in maps.values()]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows), "", *findings, "", *_by_strength(study)])


def _by_strength(study: TimingStudy) -> list[str]:
    """Write a second table: the effect of every change, without intervals."""
    maps = study.maps
    columns = [f"{name} {CHANGES[name] * s:+.2g}" for name, found in maps.items() for s in found.strengths]
    lines = ["Every change by itself:", "", f"| t | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for w, (start, stop) in enumerate(next(iter(maps.values())).windows):
        cells = [f"{float(effect):.0%}" for found in maps.values() for effect in found.effect.value[w]]
        lines.append(f"| {start:.3g} to {stop:.3g} | {' | '.join(cells)} |")
    return lines


def _percent(by_window: dict[str, Any], window: int) -> str:
    value, low, high = (by_window[end][window] for end in ("value", "low", "high"))
    return f"{value:.0%} [{low:.0%}, {high:.0%}]"


def _number(record: dict[str, Any]) -> str:
    return "–" if record["value"] is None else f"{record['value']:.2f}"


def main() -> None:
    """Run the study, write one JSON document, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/mini_timing.json"))
    parser.add_argument("--docs", type=Path, help="page whose table is to be replaced")
    parser.add_argument("--work", type=Path, default=Path("work/mini-timing"), help="folder of the study")
    parser.add_argument("--small", action="store_true", help="2 prompts and windows; figures too noisy to quote")
    arguments = parser.parse_args()
    generator = MiniGenerator.from_pretrained()
    runs, windows = (2, 2) if arguments.small else (8, WINDOWS)
    study = study_of(generator, runs, windows, arguments.work)
    table = markdown(study, generator.weights_sha256)
    report({"weights_sha256": generator.weights_sha256, "small": arguments.small, **study.to_json()}, arguments.out)
    print(table)
    if arguments.docs:
        insert(arguments.docs, "benchmarks/mini_timing.py", table)


if __name__ == "__main__":
    main()
