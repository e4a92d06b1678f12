"""Interventions in traces: what is stored, and patching from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from generators.base import GenerationRequest
from harness import open_trace
from harness.errors import InputError
from harness.interventions import to_json
from harness.interventions.bind import bind
from harness.interventions.call import Call
from harness.interventions.patch import Patch
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.pipeline import run


@pytest.fixture
def trace(generator, request_, tmp_path):
    (result,) = run(generator, [request_], tmp_path / "a", trace=True, hidden=["mean"], hidden_dtype="float32")
    return str(result.trace)


def test_trace_lists_interventions_and_their_sizes(generator, artifacts, request_, tmp_path):
    acting = [Scale((1, 2, 3), 3.0, schedule=Schedule(steps=(2, 5))), Scale((1, 2, 3), 0.5)]
    requests = [request_, dataclasses.replace(request_, prompt="C4 loud", seed=1)]
    results = run(generator, requests, tmp_path, trace=True, interventions=acting, artifacts=artifacts)
    bound = bind(acting, generator, requests, artifacts)
    generator.generate_batch(requests, bound)
    for index, result in enumerate(results):
        with open_trace(result.trace) as trace:
            assert trace.metadata["extra"]["interventions"] == [to_json(item) for item in acting]
            norms = trace.relative_norms[:]
        expected = [[float(b.record[k][index]) if k in b.record else 0.0 for b in bound] for k in range(8)]
        np.testing.assert_allclose(norms, expected, rtol=1e-6)
        assert (norms[:, 0] > 0).tolist() == [2 <= k < 5 for k in range(8)]


def test_trace_without_interventions_has_no_such_group(trace):
    with open_trace(trace) as opened:
        assert opened.relative_norms is None
        assert opened.metadata["extra"] == {}


def test_a_failing_function_leaves_a_readable_trace(generator, artifacts, request_, tmp_path):
    def fail(value, point):
        if point.step == 3:
            raise RuntimeError("mine")
        return value + 1

    with pytest.raises(RuntimeError, match="mine"):
        run(generator, [request_], tmp_path, trace=True, interventions=[Call(fail)], artifacts=artifacts)
    with open_trace(tmp_path / "trace.h5") as opened:
        assert (opened.complete, opened.steps) == (False, 3)
        assert (opened.relative_norms[:] > 0).all()


@pytest.mark.parametrize("at", ["x_t", "x1_hat", "velocity", "mean"])
@pytest.mark.parametrize("branch", ["guided", "both"])
def test_a_run_patched_with_itself_is_the_same(generator, artifacts, request_, trace, at, branch):
    if at == "x_t" and branch == "both":
        return
    plain = generator.generate(request_).latents
    patch = Patch(trace, at=at, schedule=Schedule(branch=branch))
    again = generator.generate(request_, bind([patch], generator, request_, artifacts))
    assert torch.equal(again.latents, plain)


def test_patched_x_t_continues_as_the_other_run(generator, artifacts, request_, trace):
    other = dataclasses.replace(request_, seed=5)
    plain = generator.generate(request_).latents
    patch = Patch(trace, at="x_t", schedule=Schedule(t=(0.5, 0.5)))
    patched = generator.generate(other, bind([patch], generator, other, artifacts))
    assert not torch.equal(generator.generate(other).latents, plain)
    assert torch.equal(patched.latents, plain)


@pytest.mark.parametrize(
    ("change", "at", "phrase"),
    [
        ({"duration_s": 0.3}, "x_t", "Patch from a run of the same duration"),
        ({}, "posterior", "did not record posterior; it has x_t, x1_hat, velocity, mean"),
    ],
)
def test_traces_that_do_not_fit(generator, artifacts, request_, trace, change, at, phrase):
    wanted = dataclasses.replace(request_, **change)
    with pytest.raises(InputError, match=phrase):
        bind([Patch(trace, at=at)], generator, wanted, artifacts)


def test_trace_that_is_not_there(generator, artifacts, request_):
    with pytest.raises(InputError, match="nowhere"):
        bind([Patch("nowhere.h5", at="x_t")], generator, request_, artifacts)


def test_everything_is_checked_before_the_first_step(generator, artifacts, tmp_path):
    requests = [GenerationRequest("", num_inference_steps=4, duration_s=d) for d in (0.4, 0.2)]
    late = Scale(1, 2.0, schedule=Schedule(frames_s=(0.2, 0.4)))
    with pytest.raises(InputError, match="end after the audio"):
        run(generator, requests, tmp_path / "out", interventions=[late], artifacts=artifacts)
    assert not (tmp_path / "out").exists()
