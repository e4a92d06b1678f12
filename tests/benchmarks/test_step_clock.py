"""What watching costs, on seconds that are given, and on a generation."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.step_clock import Split, StepClock, extra
from generators.base import GenerationRequest
from generators.closed_form import ClosedFormGenerator


def test_cost_of_updates_and_cost_of_a_run_are_told_apart_in_noise() -> None:
    random = np.random.default_rng(1)
    rounds: dict[str, list[Split]] = {"bare": [], "watched": []}
    for _ in range(60):
        network_s, decoding_s = 0.04 + 0.004 * random.standard_normal(31), 0.2
        for name, watching_s, laying_out_s in (("bare", 0.0, 0.0), ("watched", 2e-4, 0.01)):
            jitter_s = 0.002 * random.standard_exponential(31) * (random.random(31) < 0.2)
            rounds[name].append(Split(network_s + jitter_s + watching_s, decoding_s + laying_out_s))
    (row,) = extra(rounds, "bare").values()
    assert row["update_extra_ms"] == pytest.approx(0.2)
    assert row["update_extra_ms_95"] == pytest.approx([0.2, 0.2])
    assert row["once_extra_ms"] == pytest.approx(10)
    assert row["extra_percent"] == pytest.approx(100 * (31 * 2e-4 + 0.01) / (31 * 0.0404 + 0.2), rel=0.1)


def test_a_generation_is_split_into_its_updates_and_the_rest() -> None:
    clock = StepClock()
    ClosedFormGenerator.from_pretrained().generate(GenerationRequest("C4", num_inference_steps=5), [clock])
    split = clock.stop()
    assert split.updates_s.shape == (4,)
    assert min(split.updates_s) > 0
    assert split.once_s > 0
