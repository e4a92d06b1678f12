"""A clip against its baseline: what was done to it is what is found."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.properties.frames import AudioError
from analysis.steering import Comparison, Target, compare, measure_clip
from tests.analysis.steering.sounds import FRAME_RATE_HZ, RATE_HZ, measured, tone

RICH = (1.0, 0.5, 0.3, 0.2)


def test_a_clip_against_itself_changed_in_nothing():
    clip = measured(partials=RICH)
    found = compare("a", clip, clip)
    assert all(found.change[name] == 0 and found.kept(name) for name in found.change)
    assert (found.lufs_change, found.log_mel_db, found.clipped_change, found.flatness_change_db) == (0, 0, 0, 0)
    assert found.chroma_similarity == pytest.approx(1)
    assert found.onset_f1 == 1
    assert not found.reached  # nothing was asked for


@pytest.mark.parametrize("semitones", [-5, 3])
def test_a_transposition_is_found_to_the_cent_and_only_it_is_on_target(semitones):
    baseline, other = measured(note=60), measured(note=60 + semitones)
    found = compare("a", baseline, other, Target("pitch", change=semitones))
    assert found.change["pitch"] == pytest.approx(semitones, abs=0.05)
    assert found.eligible
    assert found.reached
    assert found.on_target == 1
    assert found.chroma_similarity > 0.99  # a wanted transposition is no loss
    assert not compare("a", baseline, other, Target("pitch", change=semitones + 1)).reached
    assert not found.kept("pitch")
    assert found.kept("loudness")


def test_a_pitch_that_is_wanted_outright():
    found = compare("a", measured(note=60), measured(note=67), Target("pitch", to=67))
    assert found.reached
    assert not compare("a", measured(note=60), measured(note=67), Target("pitch", to=60)).reached


def test_an_octave_up_in_one_half_and_down_in_the_other_is_no_success():
    baseline = measured(tone(60), tone(60))
    other = measured(tone(72), tone(48))
    found = compare("a", baseline, other, Target("pitch", change=0.0))
    assert found.on_target < 0.1
    assert not found.reached


@pytest.mark.parametrize("gain_db", [-6.0, 6.0])
def test_a_gain_is_found_and_nothing_else(gain_db):
    baseline, other = measured(partials=RICH), measured(partials=RICH, level_db=-20 + gain_db)
    found = compare("a", baseline, other, Target("loudness", change=gain_db))
    assert found.change["loudness"] == pytest.approx(gain_db, abs=0.01)
    assert found.lufs_change == pytest.approx(gain_db, abs=0.01)
    assert found.reached
    assert found.kept("pitch")
    assert found.kept("timbre")
    assert not found.kept("loudness")
    assert found.flatness_change_db == pytest.approx(0, abs=0.01)


def test_brightness_is_found_with_its_sign():
    dull, bright = measured(partials=(1.0,)), measured(partials=(1.0, 1.0, 1.0))
    found = compare("a", dull, bright, Target("timbre", change=1.0))
    assert found.change["timbre"] == pytest.approx(1.0, abs=0.05)  # the mean of 1, 2 and 3 times f0
    assert found.reached
    assert found.kept("pitch")


def test_noise_has_no_pitch_to_steer():
    noise = 0.1 * np.random.default_rng(0).normal(size=(1, RATE_HZ))
    found = compare("a", measure_clip(noise, RATE_HZ, FRAME_RATE_HZ), measured(), Target("pitch", change=3))
    assert not found.eligible
    silence = measured(np.zeros((1, RATE_HZ), np.float32))
    lost = compare("a", measured(), silence, Target("pitch", change=0))
    assert lost.eligible
    assert lost.on_target == 0
    assert np.isnan(lost.change["pitch"])


def test_gliding_pitch_is_voiced_but_not_stable():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    glide = 0.2 * np.sin(2 * np.pi * 110 * 2 ** (2 * time_s) / (2 * np.log(2)))
    clip = measure_clip(glide[None], RATE_HZ, FRAME_RATE_HZ)
    assert np.isfinite(clip.values["pitch"]).mean() > 0.8
    assert not clip.can_judge("pitch")
    assert clip.can_judge("loudness")


def test_a_note_that_dies_away_is_judged_while_it_is_heard():
    loud, faint = tone(note=60, seconds=1.0), tone(note=60, seconds=1.0, level_db=-65)
    baseline, other = measured(loud, faint), measured(tone(note=63), faint)
    assert baseline.sounding.mean() == pytest.approx(0.5, abs=0.05)
    assert compare("a", baseline, other, Target("pitch", change=3)).on_target == 1


def test_clipping_and_noise_are_artefacts():
    baseline = measured(partials=RICH)
    loud = measured(np.clip(tone(partials=RICH, level_db=3), -1, 1))
    assert compare("a", baseline, loud).clipped_change > 0.2
    hiss = tone(partials=RICH) + 0.05 * np.random.default_rng(0).normal(size=(1, RATE_HZ)).astype(np.float32)
    assert compare("a", baseline, measured(hiss)).flatness_change_db > 3


def test_onsets_that_stay_are_told_from_onsets_that_move():
    def beats(*starts_s):
        audio = np.zeros((1, 2 * RATE_HZ), np.float32)
        for start_s in starts_s:
            first = round(start_s * RATE_HZ)
            note = tone(seconds=0.15)
            audio[:, first : first + note.shape[1]] = note
        return measured(audio)

    baseline = beats(0.2, 0.8, 1.4)
    assert compare("a", baseline, beats(0.2, 0.8, 1.4)).onset_f1 == 1
    assert compare("a", baseline, beats(0.2, 0.8)).onset_f1 == pytest.approx(2 * 2 / 5)
    assert compare("a", baseline, beats(0.5, 1.1, 1.7)).onset_f1 == 0


def test_a_comparison_survives_json():
    found = compare("seed 1", measured(), measured(np.zeros((1, RATE_HZ), np.float32)), Target("pitch", change=2))
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    again = Comparison.from_json(record)
    assert again.target == found.target
    assert again.to_json() == record
    assert np.isnan(again.change["pitch"])


@pytest.mark.parametrize(
    "bad",
    [{"property": "onset", "change": 1}, {"property": "pitch"}, {"property": "pitch", "change": 1, "to": 2}]
    + [{"property": "pitch", "change": value} for value in (float("nan"), float("inf"))],
)
def test_targets_that_mean_nothing_are_refused(bad):
    with pytest.raises(ValueError, match="give"):
        Target(**bad)


def test_clips_of_different_length_are_no_pair():
    with pytest.raises(ValueError, match="same request"):
        compare("a", measured(), measured(seconds=0.5))
    with pytest.raises(AudioError, match="empty"):
        measured(np.zeros((1, 0), np.float32))
