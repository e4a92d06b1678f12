"""The paired experiment on the closed-form generator, whose latent directions are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from generators.base import GenerationRequest
from generators.closed_form import ClosedFormGenerator
from harness.decoding.artifacts import read_artifacts
from harness.errors import ExistsError, InputError
from harness.interventions.call import Call
from harness.interventions.random_direction import RandomDirection
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.pipeline import run
from harness.runs import TRACE
from harness.steering.arms import dosed, target_of, window_of
from harness.steering.document import document, finding
from harness.steering.experiment import steer_recorded
from harness.steering.result import RESULT, read_result
from harness.store.reader import open_trace

FRAMES = 6
STEPS = 4


@pytest.fixture
def recorded(generator, tmp_path):
    """A recorded run of 6 frames."""
    rate_hz = float(generator.codec.frame_rate_hz)
    request = GenerationRequest("C4 loud", duration_s=FRAMES / rate_hz, num_inference_steps=STEPS, seed=5)
    run(generator, [request], tmp_path / "run", trace=True)
    with open_trace(tmp_path / "run" / TRACE) as trace:
        yield trace


@pytest.fixture
def artifacts(fitted):
    return read_artifacts(fitted.source, fitted.probes, fitted.sae)


def louder(value, point):
    """Pull the estimate towards one that is scaled up."""
    return 1.5 * value


def test_an_edit_of_nothing_is_paired_to_the_bit(recorded, generator, tmp_path):
    nothing = Call(lambda value, point: None)
    result = steer_recorded(recorded, generator, [nothing], tmp_path / "out", strengths=(), seeds=2)
    effect = document(result)["effect"]
    for numbers in effect.values():
        assert numbers["baseline"] == numbers["steered"] == numbers["control"]
        assert (numbers["target"], numbers["reached"]) == (None, None)
    assert result.relative_norm == {"steered": 0.0, "control": 0.0}
    assert result.notes == ()  # the baseline is the recorded run to the bit
    assert result.doses == {}
    with open_trace(result.trace("steered")) as steered:
        assert np.array_equal(steered.x_t[STEPS], recorded.x_t[STEPS])


def test_document_has_every_key_and_every_file(recorded, generator, artifacts, tmp_path):
    edits = [SetProperty("loudness", change=-6.0)]
    result = steer_recorded(
        recorded, generator, edits, tmp_path / "out", artifacts=artifacts, strengths=(0.5,), seeds=3, command="here"
    )
    made = json.loads(json.dumps(document(result), allow_nan=False))
    for arm in ("baseline", "steered", "control"):
        assert made[arm] == {"audio": str(result.audio(arm)), "trace": str(result.trace(arm))}
        assert result.audio(arm).is_file()
        with open_trace(result.trace(arm)) as trace:
            assert trace.complete
    assert list(made["effect"]) == ["pitch", "loudness", "timbre"]
    loudness = made["effect"]["loudness"]
    assert loudness["unit"] == "dB"
    assert loudness["target"] == pytest.approx(loudness["baseline"] - 6)
    assert loudness["reached"] in (True, False)
    assert made["effect"]["pitch"]["target"] is None
    assert made["seeds"] == [5, 6, 7]
    assert made["over_seeds"]["steered"]["runs"] == 3
    assert made["dose_response"]["loudness"]["doses"] == [0.5, 1.0]
    with open_trace(result.trace("steered")) as steered:
        (edit,) = steered.metadata["extra"]["interventions"]
        assert (edit["property"], edit["change"]) == ("loudness", -6.0)
    assert "oudness" in finding(result)


def test_an_experiment_is_read_back_from_its_folder(recorded, generator, artifacts, tmp_path):
    edits = [SetProperty("loudness", change=-6.0), Call(louder)]
    made = steer_recorded(recorded, generator, edits, tmp_path / "out", artifacts=artifacts, strengths=(0.5,), seeds=2)
    again = read_result(tmp_path / "out")
    assert document(again) == document(made)
    assert (again.request, again.target, finding(again)) == (made.request, made.target, finding(made))
    (tmp_path / "out" / RESULT).write_text("{}")
    with pytest.raises(InputError, match=r"steering\.json is damaged"):
        read_result(tmp_path / "out")


def test_control_moves_as_far_as_the_edit(recorded, generator, tmp_path):
    result = steer_recorded(recorded, generator, [Call(louder)], tmp_path / "out", strengths=(), seeds=2)
    steered, control = result.relative_norm.values()
    assert steered == pytest.approx(0.5, abs=1e-4)  # 1.5 times the estimate is half of it away, at every step
    assert control == pytest.approx(steered, abs=1e-4)
    with open_trace(result.trace("steered")) as one, open_trace(result.trace("control")) as other:
        assert not np.array_equal(one.x_t[STEPS], other.x_t[STEPS])


def test_doses_scale_changes_and_strengths():
    edits = [SetProperty("pitch", change=3.0), SetProperty("loudness", to=-20.0), Call(louder, strength=0.5)]
    pitch, loudness, call = dosed(edits, 2.0)
    assert (pitch.change, pitch.strength) == (6.0, 1.0)
    assert (loudness.to, loudness.strength) == (-20.0, 2.0)
    assert call.strength == 1.0
    assert target_of(edits).change == 3.0
    assert target_of(edits[2:]) is None


def test_only_the_steered_stretch_is_measured():
    part = Schedule(frames_s=(0.1, 0.2))
    assert window_of([SetProperty("pitch", change=1.0, schedule=part)]) == (0.1, 0.2)
    assert window_of([SetProperty("pitch", change=1.0, schedule=part), SetProperty("loudness", change=1.0)]) is None


@pytest.mark.parametrize(
    ("edits", "options", "phrase"),
    [
        ([], {}, "no intervention"),
        ([Call(louder)], {"seeds": 0}, "seeds is 0"),
        ([Call(louder)], {"strengths": (float("nan"),)}, "strengths"),
        ([Call(louder)], {"strengths": (0.0,)}, "strengths"),
        ([RandomDirection(Call(louder))], {}, "control already"),
    ],
)
def test_bad_experiments_are_refused_before_anything_is_written(recorded, generator, tmp_path, edits, options, phrase):
    with pytest.raises(InputError, match=phrase):
        steer_recorded(recorded, generator, edits, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_another_generator_and_a_taken_folder_are_refused(recorded, generator, tmp_path):
    from dataclasses import replace

    from generators.codecs.closed_form import FACTORS

    other = ClosedFormGenerator([replace(item, norm=2 * item.norm) for item in FACTORS])
    with pytest.raises(InputError, match="weights"):
        steer_recorded(recorded, other, [Call(louder)], tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(ExistsError, match="not empty"):
        steer_recorded(recorded, generator, [Call(louder)], tmp_path / "out")
