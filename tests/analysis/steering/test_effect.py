"""Arms of an experiment, dose and response, timing: planted numbers come back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.steering import Comparison, LatentDistribution, Target, dose_response, summarise, timing_map
from analysis.steering.timing import commitment, opening

NAN = float("nan")


def planted(run, pitch=0.0, loudness=0.0, timbre=0.0, *, wanted=3.0, on_target=1.0, eligible=True, level_db=-20.0):
    """A comparison with known changes; pitch was steered."""
    change = {"pitch": pitch, "loudness": loudness, "timbre": timbre}
    return Comparison(
        run=run,
        target=Target("pitch", change=wanted),
        eligible=eligible,
        on_target=on_target,
        baseline={"pitch": 60.0, "loudness": level_db, "timbre": 0.0},
        change=change,
        unchanged={name: float(abs(value) < 0.5) for name, value in change.items()},
        lufs_change=loudness,
        log_mel_db=1.0,
        chroma_similarity=1.0,
        onset_f1=NAN,
        clipped_change=0.0,
        flatness_change_db=0.0,
    )


def test_success_counts_only_runs_that_can_be_judged():
    hits = [planted(f"{k}", on_target=1.0) for k in range(6)]
    misses = [planted(f"{k}", on_target=0.4) for k in range(6, 8)]
    hopeless = [planted("9", on_target=NAN, eligible=False)]
    effect = summarise(hits + misses + hopeless)
    assert (effect.runs, effect.eligible) == (9, 8)
    assert effect.reached.value == pytest.approx(6 / 8)
    assert effect.reached.low < 0.75 < effect.reached.high
    assert np.isnan(effect.preservation["onset_f1"].value)
    json.dumps(effect.to_json(), allow_nan=False)


def test_leakage_is_given_in_units_of_the_spread_between_runs():
    levels = (-26.0, -20.0, -14.0)
    runs = [planted(f"{k}", 3.0, -3.0, level_db=level) for k, level in enumerate(levels)]
    leak = summarise(runs).leakage
    assert leak["loudness"].spread == pytest.approx(6)
    assert leak["loudness"].in_spreads.value == pytest.approx(0.5)
    assert leak["loudness"].change.value == pytest.approx(-3)
    assert leak["loudness"].kept.value == 0
    assert leak["timbre"].kept.value == 1
    assert leak["pitch"].spread == 0.5  # all baselines have the same note: the tolerance stands in


def test_a_single_run_has_a_value_and_no_interval():
    effect = summarise([planted("a")])
    assert effect.reached.value == 1
    assert np.isnan(effect.reached.low)
    with pytest.raises(ValueError, match="no run"):
        summarise([])


def test_dose_and_response_of_a_line_with_noise():
    random = np.random.default_rng(0)
    doses = [-6.0, -3.0, 0.0, 3.0, 6.0]
    changes = 0.8 * np.array(doses) + 0.1 * random.normal(size=(12, 5))
    found = dose_response(doses, changes, [f"r{k}" for k in range(12)])
    assert found.slope.value == pytest.approx(0.8, abs=0.02)
    assert found.spearman.value > 0.97
    assert found.spearman.low <= found.spearman.value <= found.spearman.high
    assert found.monotone.value == 1
    assert found.response.value == pytest.approx(0.8 * np.array(doses), abs=0.1)
    assert found.saturation is None
    json.dumps(found.to_json(), allow_nan=False)


def test_saturation_is_where_the_response_levels_off():
    doses = [1.0, 2.0, 4.0, 8.0]
    changes = np.tile([1.0, 2.0, 2.1, 2.1], (4, 1))
    assert dose_response(doses, changes, list("abcd")).saturation == 2.0


def test_a_response_that_falls_is_monotone_and_one_that_turns_is_not():
    changes = np.array([[-1.0, -2.0, -3.0], [1.0, 3.0, 2.0], [1.0, NAN, 2.0]])
    found = dose_response([1, 2, 3], changes, list("abc"))
    assert found.monotone.value == pytest.approx(0.5)  # of the two that have all doses
    with pytest.raises(ValueError, match="ascending"):
        dose_response([1, 1], np.zeros((1, 2)), ["a"])
    with pytest.raises(ValueError, match="expected"):
        dose_response([1, 2], np.zeros((1, 3)), ["a"])
    with pytest.raises(ValueError, match="no run"):
        dose_response([1, 2], np.full((1, 2), NAN), ["a"])


def test_latents_like_those_fitted_are_at_distance_one_and_strangers_further():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(6, 6))
    fitted = LatentDistribution.of((random.normal(size=(4000, 6)) @ mixing).astype(np.float32))
    alike = random.normal(size=(1000, 6)) @ mixing
    assert fitted.distance(alike) == pytest.approx(1, abs=0.15)
    assert fitted.distance(3 * alike) == pytest.approx(3 * fitted.distance(alike), rel=0.1)
    with pytest.raises(ValueError, match="finite frames"):
        LatentDistribution.of(np.full((4, 2), np.nan))


def cells(effects, wanted=3.0):
    """One strength; effect of each window as a share of what is wanted."""
    return {
        (w, 0): [planted(f"r{k}", wanted * share, loudness=share * 6, level_db=-20 + 6 * k) for k in range(3)]
        for w, share in enumerate(effects)
    }


def test_commitment_is_the_end_of_the_last_window_with_half_of_the_effect():
    windows = [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    found = timing_map(windows, [1.0], cells([0.4, 1.0, 0.6, 0.1]))
    assert found.effect.value[:, 0] == pytest.approx([0.4, 1.0, 0.6, 0.1])
    assert (float(found.opening.value), float(found.commitment.value)) == (0.25, 0.75)
    assert found.others["loudness"].value[1, 0] == pytest.approx(1.0)  # 6 dB, and runs differ by 6 dB
    assert found.runs == 3
    json.dumps(found.to_json(), allow_nan=False)
    weak = timing_map(windows, [1.0], cells([0.05, 0.02, 0.0, 0.0]))
    assert np.isnan([weak.opening.value, weak.commitment.value]).all()


def test_commitment_of_many_curves_at_once():
    ends = np.array([0.5, 1.0])
    curves = np.array([[1.0, 0.4], [0.5, 1.0], [0.4, 1.0]])
    assert commitment(curves, ends).tolist() == [0.5, 1.0, 1.0]
    assert opening(curves, np.array([0.0, 0.5])).tolist() == [0.0, 0.0, 0.5]


def test_a_map_with_holes_is_refused():
    made = cells([1.0, 0.5])
    with pytest.raises(ValueError, match="3 cells"):
        timing_map([(0, 0.3), (0.3, 0.6), (0.6, 1)], [1.0], made)
    made[1, 0] = made[1, 0][:1]
    with pytest.raises(ValueError, match="same runs"):
        timing_map([(0, 0.5), (0.5, 1)], [1.0], made)
    nothing = {(0, 0): [planted("a", eligible=False)]}
    with pytest.raises(ValueError, match="other prompts"):
        timing_map([(0, 1)], [1.0], nothing)
