"""The comparison of trainers, from a log that has every run: nothing is trained here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sae_throughput import DEFAULT_RATES, LEARNING_RATES, OURS, Comparison

SIZES = {"width": 8, "k": 2, "batch": 16}
SPEEDS = {"ours float32": (30.0, 20.0), "ours bf16": (40.0, 20.0), "peer": (10.0, 5.0)}
"""Samples per second and per CPU second, in the first round."""


def entry(name: str, lr: float, fvu: float, speed: float = 1.0, **job: Any) -> str:
    per_s, per_cpu_s = SPEEDS[name]
    result = {"samples_per_s": speed * per_s, "samples_per_cpu_s": speed * per_cpu_s, "fvu": fvu}
    return json.dumps({"sizes": SIZES | {"data": "made"}, "job": {"name": name, "lr": lr} | job, "result": result})


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """Sweeps were made with one thread, the second rate being best; two rounds with one and two threads."""
    lines = []
    for name in SPEEDS:
        rates = LEARNING_RATES["ours"] if name in OURS else DEFAULT_RATES
        for lr, fvu in zip(rates, (0.3, 0.1, 0.2), strict=True):
            lines.append(entry(name, lr, fvu, steps=3, threads=1, turn=None))
        for turn, threads in ((0, 1), (0, 2), (1, 1), (1, 2)):
            # The second round ran on a machine half as fast, for all.
            speed = threads / (turn + 1)
            lines.append(entry(name, rates[1], 0.05, speed, steps=9, threads=threads, turn=turn))
    log = tmp_path / "runs.jsonl"
    log.write_text("\n".join(lines) + "\n")
    options = argparse.Namespace(
        **SIZES,
        label="made",
        steps=9,
        sweep_steps=3,
        threads=[1, 2],
        rounds=2,
        log=log,
        peer_scripts=tmp_path,
        data=log,
    )
    found = Comparison(options, {"peer": str(tmp_path / "no interpreter")})
    found.load_log()
    return found


def test_a_log_that_has_every_run_is_all_it_takes(comparison: Comparison) -> None:
    *_, document = comparison.compare()
    assert document["settings"]["threads"] == [1, 2]
    for threads in ("1", "2"):
        summary = document["summary"][threads]
        assert set(summary) == set(SPEEDS)
        assert {row["rounds"] for row in summary.values()} == {2}
        assert summary["ours bf16"]["lr"] == LEARNING_RATES["ours"][1]
        assert summary["peer"]["lr"] == DEFAULT_RATES[1]
        assert summary["ours bf16"]["samples_per_s"] == pytest.approx(int(threads) * 30)
        assert summary["ours bf16"]["speed_over"] == {"peer": pytest.approx(4)}
        assert summary["ours float32"]["cpu_speed_over"] == {"peer": pytest.approx(4)}
