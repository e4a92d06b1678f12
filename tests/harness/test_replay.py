from __future__ import annotations

import dataclasses
import json

import h5py
import pytest

from generators.base import GenerationRequest
from generators.closed_form import ClosedFormGenerator
from harness import open_trace
from harness.decoding.artifacts import read_artifacts
from harness.errors import InputError
from harness.interventions.call import Call
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.pipeline import run
from harness.replay import interventions_of, replay


def louder(value, point):
    return value * 1.1


@pytest.fixture
def artifacts(fitted):
    return read_artifacts(fitted.source, fitted.probes, fitted.sae)


@pytest.fixture
def acting():
    return [SetProperty("pitch", 2.0, schedule=Schedule(t=(0.2, 0.8))), Scale((1, 2), 2.0), Call(louder)]


@pytest.fixture
def traces(generator, artifacts, acting, tmp_path):
    requests = [GenerationRequest(p, num_inference_steps=6, duration_s=0.2) for p in ("", "C4 loud")]
    return [r.trace for r in run(generator, requests, tmp_path, trace=True, interventions=acting, artifacts=artifacts)]


def test_a_steered_trace_replays_bit_identically(generator, artifacts, acting, traces):
    for path in traces:
        with open_trace(path) as trace:
            chosen = interventions_of(trace, [Call(louder)])
            result = replay(trace, generator, chosen, artifacts)
        assert chosen == acting
        assert (result.identical, result.states, result.finding) == (True, 7, "bit-identical")


def test_what_differs_is_said(generator, artifacts, acting, traces):
    other = dataclasses.replace(acting[2], schedule=Schedule(steps=(3, 4)))
    with open_trace(traces[0]) as trace:
        result = replay(trace, generator, [acting[0], acting[1], other], artifacts)
    assert not result.identical
    assert result.first_difference == 1
    assert 0 < result.state_difference < 10
    assert result.finding.startswith("not bit-identical: states differ from step 1 on")


def test_a_trace_with_nan_differs_without_bound(generator, artifacts, acting, traces):
    with h5py.File(traces[0], "a") as file:
        file["x_t"][2, 0, 0] = float("nan")
    with open_trace(traces[0]) as trace:
        result = replay(trace, generator, acting, artifacts)
    assert (result.identical, result.first_difference, result.state_difference) == (False, 2, float("inf"))
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["state_difference"] is None


def test_functions_need_their_script(traces):
    with open_trace(traces[0]) as trace, pytest.raises(InputError, match="give the script it came from by --script"):
        interventions_of(trace)


def test_another_generator_is_refused(artifacts, traces):
    stranger = ClosedFormGenerator()
    stranger.denoiser.log_weights += 1
    with open_trace(traces[0]) as trace, pytest.raises(InputError, match="was made with weights"):
        replay(trace, stranger, [], artifacts)
