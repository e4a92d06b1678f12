"""Decoding traces of the closed-form generator, whose codec is analytic, with probes fitted on its own latents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.emergence import EmergenceCurve
from generators.base import GenerationRequest
from harness.decoding.artifacts import latents_of, read_artifacts, require_shipped, shipped_artifacts
from harness.decoding.decode import decode
from harness.decoding.emergence import Study, measure
from harness.decoding.summary import finding, group_document, run_document
from harness.errors import InputError
from harness.pipeline import run
from harness.store.reader import open_trace

STEPS = 8
PROPERTIES = ["pitch", "loudness", "timbre"]


@pytest.fixture(scope="module")
def paths(generator, tmp_path_factory):
    requests = [
        GenerationRequest(prompt, duration_s=0.5, num_inference_steps=STEPS, seed=seed)
        for seed, prompt in enumerate(["", "A4 loud", "E4 bright", "G4 quiet dark"])
    ]
    return [result.trace for result in run(generator, requests, tmp_path_factory.mktemp("runs"), trace=True)]


@pytest.fixture(scope="module")
def decoded(paths, fitted):
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    found = []
    for path in paths:
        with open_trace(path) as trace:
            found.append(decode(trace, artifacts))
    return found


def test_every_state_and_view_of_every_property(decoded):
    for one in decoded:
        assert list(one.properties) == PROPERTIES
        assert (one.steps, len(one.t), one.compared_with, one.notes) == (STEPS, STEPS + 1, "final audio", ())
        for part in one.properties.values():
            for probabilities in part.probabilities.values():
                assert probabilities.shape == (STEPS + 1, len(part.values), len(part.centres))
                assert probabilities.sum(axis=2, dtype=np.float64) == pytest.approx(1, abs=0.01)


def test_both_views_end_with_the_same_decode(decoded):
    for part in decoded[0].properties.values():
        assert np.array_equal(part.probabilities["x_t", "clean"][-1], part.probabilities["x1_hat", "clean"][-1])


def test_asked_pitch_is_the_target_and_is_decoded_from_the_estimate_on_early_steps(decoded):
    pitch = decoded[1].properties["pitch"]
    assert pitch.centres[pitch.target].tolist() == [69] * len(pitch.target)
    assert (pitch.probabilities["x1_hat", "clean"][2:].argmax(axis=2) == pitch.target).all()


def test_curves_follow_what_is_known_of_the_flow(decoded):
    curves = measure(decoded[0])
    pitch = curves["pitch", ("x1_hat", "clean")]
    state = curves["pitch", ("x_t", "clean")]
    assert isinstance(pitch, EmergenceCurve)
    assert pitch.accuracy.value[-1] == state.accuracy.value[-1] == 1
    assert pitch.commit_step.value <= state.commit_step.value  # the estimate is ahead of the state
    assert "pitch from step" in finding(curves)


def test_document_has_one_accuracy_a_step(decoded, paths):
    document = run_document("run", decoded[0], measure(decoded[0]))
    assert list(document) == ["trace", "interventions", "properties"]
    for part in document["properties"].values():
        assert list(part) == ["x1_hat", "x_t", "chance", "commit_step", "commit_t"]
        assert part["commit_t"] == decoded[0].t[part["commit_step"]]
        for view in ("x1_hat", "x_t"):
            ends = [part[view][name] for name in ("low", "accuracy", "high")]
            assert [len(end) for end in ends] == [STEPS] * 3
            assert (np.diff(ends, axis=0) >= -0.05).all()
            assert 0 <= min(ends[0]) <= max(ends[2]) <= 1


def test_several_runs_are_averaged_with_their_order(decoded, paths):
    study = Study()
    for path, one in zip(paths, decoded, strict=True):
        with open_trace(path) as trace:
            study.add(trace, one)
    (group,) = study.groups()
    document = group_document(group, group.curves())
    assert document["traces"] == [str(path) for path in paths]
    assert sorted(document["order"]["properties"]) == sorted(PROPERTIES)
    one_by_one = [measure(one)["pitch", ("x1_hat", "clean")] for one in decoded]
    together = document["properties"]["pitch"]["x1_hat"]["clean"]
    frames = np.array([curve.frames for curve in one_by_one])
    mean = np.average([curve.accuracy.value for curve in one_by_one], axis=0, weights=frames)
    assert together["accuracy"]["value"] == pytest.approx(mean)
    with open_trace(paths[0]) as trace, pytest.raises(InputError, match="is the same run as"):
        study.add(trace, decoded[0])


def test_runs_of_other_times_are_told_apart(decoded, paths):
    study = Study()
    with open_trace(paths[0]) as trace:
        study.add(trace, decoded[0])
        study.add(trace, replace(decoded[1], t=decoded[1].t ** 2))
    assert list(study.groups()) == []


def test_silence_has_no_pitch_and_says_so(decoded):
    silent = {name: replace(part, target=np.full_like(part.target, -1)) for name, part in decoded[0].properties.items()}
    nothing = replace(decoded[0], properties=silent)
    curves = measure(nothing)
    document = run_document("run", nothing, curves)
    assert document["properties"]["pitch"]["x1_hat"]["accuracy"] == [None] * STEPS
    assert document["properties"]["pitch"]["chance"] is None
    assert "none of the properties" in finding(curves)


def test_probe_that_reads_nothing_is_not_believed(decoded):
    pitch = decoded[1].properties["pitch"]
    blind = {decoder: np.roll(p, 7, axis=2) for decoder, p in pitch.probabilities.items()}
    words = finding(measure(replace(decoded[1], properties={"pitch": replace(pitch, probabilities=blind)})))
    assert words.startswith("About pitch the probe is mostly wrong")
    assert "final one for good" not in words


def test_top_features_carry_the_decode(paths, fitted):
    artifacts = read_artifacts(fitted.source, fitted.raw)
    with open_trace(paths[1]) as trace:
        part = decode(trace, artifacts).properties["pitch"]
        latents = torch.from_numpy(trace.x_t[STEPS])
    probe = artifacts.probes["pitch"]
    weights = probe.weights[0] - probe.weights[0].mean(dim=1, keepdim=True)
    expected = (latents * weights[:, part.target[0]]).mean(dim=0)
    assert part.top[0].feature == int(expected.argmax())
    assert part.top[0].contribution == pytest.approx(float(expected.max()), rel=1e-4)
    contributions = [feature.contribution for feature in part.top]
    assert contributions == sorted(contributions, reverse=True)
    assert all(0 <= feature.active <= 1 for feature in part.top)


def test_numbers_that_are_not_finite(paths, fitted, tmp_path):
    import h5py

    copy = tmp_path / "trace.h5"
    copy.write_bytes(paths[0].read_bytes())
    with h5py.File(copy, "r+") as file:
        file["x_t"][3, 2, 1] = np.nan
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    with open_trace(copy) as trace, pytest.raises(InputError, match=r"trace\.h5: x1_hat at step 3 holds NaN"):
        decode(trace, artifacts)
    with h5py.File(copy, "r+") as file:
        file["x_t"][3] = 0
        file["audio/values"][0, :100] = np.inf
    with open_trace(copy) as trace:
        assert "not finite" in decode(trace, artifacts).notes[0]


def test_nothing_is_shipped_for_an_unknown_codec(paths):
    with open_trace(paths[0]) as trace:
        source = replace(latents_of(trace), weights_sha256="0" * 64)
    assert shipped_artifacts(source) is None
    with pytest.raises(InputError, match=r"'closed-form'.*harness train-sae.*--sae DIR --probes DIR"):
        require_shipped(source)
