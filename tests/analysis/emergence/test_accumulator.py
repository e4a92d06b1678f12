"""Accumulating runs: known curves, order of arrival, single runs, pairing, coverage, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.emergence import EmergenceAccumulator, compare_order

T_GRID = np.linspace(0, 1, 6)
CENTRES = np.array([10.0, 20.0, 30.0, 40.0])


def accumulator(name="loudness", **options):
    return EmergenceAccumulator(name, "dB", "x1_hat", T_GRID, CENTRES, tolerance=5.0, **options)


def run(seed, commits, frames=24, wrong=0.0, zeros=0.0):
    """One run whose frames decode as class 0 before state ``commits`` and, but for a share, rightly from then on."""
    random = np.random.default_rng(seed)
    target = np.where(random.random(frames) < zeros, 0, random.integers(1, 4, frames))
    read = np.where(random.random(frames) < wrong, 1 + target % 3, target)
    chosen = np.where(np.arange(len(T_GRID))[:, None] >= commits, read, 0)
    return 0.9 * np.eye(4)[chosen] + 0.025, target


def test_known_curve():
    total = accumulator()
    for seed in range(12):
        probabilities, target = run(seed, commits=3)
        valid = np.arange(24) >= 4
        total.add(f"run {seed}", probabilities, target, valid=valid, values=CENTRES[target] + 1.0)
    curve = total.curve()
    np.testing.assert_array_equal(curve.accuracy.value, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(curve.committed.value, [0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(curve.error.value[3:], 1)
    assert curve.frames == 12 * 20
    assert curve.commit_step.value == 3
    assert curve.commit_t == pytest.approx(0.6)
    np.testing.assert_array_equal(curve.commit_counts, [0, 0, 0, 240, 0, 0])
    np.testing.assert_array_equal(curve.run_commit_step, [3] * 12)
    assert curve.ceiling.value == 1
    assert 0.33 <= curve.chance.value < 0.5
    assert curve.js_distance.value[0] > 0.8
    assert curve.js_distance.value[-1] == 0
    np.testing.assert_allclose(curve.paek.value, [0, 0, 0, 1, 1, 1])
    assert curve.shuffled[0] == 0
    assert curve.shuffled[-1] == pytest.approx(1 / 3, abs=0.03)
    assert curve.step_0.value == 0
    assert 0.4 < curve.half_t.value < 0.6
    json.dumps(curve.to_json(), allow_nan=False)


def test_shuffled_is_the_expectation_over_permutations():
    total, random = accumulator(), np.random.default_rng(0)
    probabilities, target = run(0, commits=2, frames=300, wrong=0.3)
    total.add("a", probabilities, target)
    decoded = probabilities.argmax(2)
    drawn = np.mean([(decoded == random.permutation(target)).mean(axis=1) for _ in range(2000)], axis=0)
    np.testing.assert_allclose(total.curve().shuffled, drawn, atol=0.005)


def test_order_of_runs_does_not_matter():
    forward, backward = accumulator(), accumulator()
    for seed in range(5):
        forward.add(str(seed), *run(seed, commits=seed))
    for seed in reversed(range(5)):
        backward.add(str(seed), *run(seed, commits=seed))
    for name in ("accuracy", "error", "paek", "half_t"):
        one, two = getattr(forward.curve(), name), getattr(backward.curve(), name)
        np.testing.assert_allclose([one.value, one.low, one.high], [two.value, two.low, two.high], atol=1e-12)


def test_one_run_has_intervals_over_its_frames_and_one_frame_has_none():
    single = accumulator()
    single.add("only", *run(0, commits=2, wrong=0.4))
    accuracy = single.curve().accuracy
    assert (accuracy.low < accuracy.value)[2:].all()
    assert (accuracy.value < accuracy.high)[2:].all()
    frame = accumulator()
    frame.add("only", *run(0, commits=2, frames=1))
    assert np.isnan(frame.curve().accuracy.low).all()


def test_intervals_cover_the_truth():
    """Runs differ (some commit late) and so do frames: the interval over runs and frames must hold the expectation."""
    hits = 0
    for trial in range(60):
        random, total = np.random.default_rng(trial), accumulator(replicates=200)
        for i in range(15):
            total.add(f"{trial}-{i}", *run(random.integers(1 << 30), random.integers(1, 5), wrong=0.3))
        accuracy = total.curve().accuracy[2]
        hits += accuracy.low <= 0.7 * 0.5 <= accuracy.high
    assert hits / 60 >= 0.87


def test_ceiling_normalised_order_is_not_fooled_by_probe_accuracy():
    """Two properties emerge alike but one is read badly: only plain accuracy tells them apart.

    Until they emerge all decode as the commonest class, so that each starts at chance.
    """
    good, poor, late = accumulator("good"), accumulator("poor"), accumulator("late")
    for seed in range(40):
        commits = np.random.default_rng(seed).integers(1, 5)
        good.add(str(seed), *run(seed, commits, zeros=0.4))
        poor.add(str(seed), *run(seed, commits, wrong=0.4, zeros=0.4))
        late.add(str(seed), *run(seed, commits + 1, zeros=0.4))
    curves = [total.curve() for total in (late, poor, good)]
    assert curves[2].accuracy.value[3] > 0.7 > curves[1].accuracy.value[3]
    order = compare_order(curves)
    assert order.properties[-1] == "late"
    places = {name: place for place, name in enumerate(order.properties)}
    lead = order.lead[places["good"], places["poor"]]
    assert lead.low <= 0 <= lead.high
    assert order.separated[places["good"], places["late"]]
    assert order.probability[places["good"], places["late"]] == 1
    # Paired: both see the same runs, so their difference is known far better than either time.
    assert np.ptp(order.lead[places["good"], places["late"]].high - order.lead[places["good"], places["late"]].low) == 0
    json.dumps(order.to_json(), allow_nan=False)


def test_unreadable_property_has_no_time_and_comes_last():
    good, blind = accumulator("good"), accumulator("blind")
    for seed in range(6):
        probabilities, target = run(seed, 2)
        good.add(str(seed), probabilities, target)
        blind.add(str(seed), np.roll(probabilities, 1, axis=1) * 0 + np.eye(4)[0], target)
    assert np.isnan(blind.curve().half_t.value)
    order = compare_order([blind.curve(), good.curve()])
    assert order.properties == ("good", "blind")
    assert not order.separated.any()
    json.dumps(order.to_json(), allow_nan=False)


def test_clean_decode_sets_the_ceiling():
    total = accumulator()
    probabilities, target = run(0, commits=2, wrong=0.5)
    total.add("a", probabilities, target, clean=np.eye(4)[target])
    assert total.curve().ceiling.value == 1
    assert total.curve().normalised.value[-1] < 1


def test_memory_does_not_grow_with_runs():
    def held(runs):
        total = accumulator(replicates=10)
        for seed in range(runs):
            total.add(str(seed), *run(seed, commits=2))
        return sum(part.nbytes for part in total._sums.values())

    assert held(2) == held(20)


def test_refusals():
    total = accumulator()
    probabilities, target = run(0, commits=2)
    with pytest.raises(ValueError, match="no run has a valid frame"):
        total.curve()
    total.add("silent", probabilities, np.full(24, -1))
    with pytest.raises(ValueError, match="no run has a valid frame"):
        total.curve()
    total.add("a", probabilities, target)
    with pytest.raises(ValueError, match="'a' was already added"):
        total.add("a", probabilities, target)
    with pytest.raises(ValueError, match="Other steps need an accumulator"):
        total.add("b", probabilities[1:], target)
    with pytest.raises(ValueError, match="class 4; there are only 4"):
        total.add("b", probabilities, target * 0 + 4)
    with pytest.raises(ValueError, match="run 'b': the decode holds NaN"):
        total.add("b", probabilities * np.nan, target)
    curve = total.curve()
    with pytest.raises(ValueError, match="accuracy of a curve with 6 states"):
        replace(curve, accuracy=curve.accuracy[1:])
    with pytest.raises(ValueError, match="one view"):
        compare_order([curve, replace(curve, view="x_t")])
