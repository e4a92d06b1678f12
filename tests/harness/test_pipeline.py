from __future__ import annotations

import json
import shutil

import pytest
import torch

from generators.base import GenerationRequest, HookPoint, RequestError
from harness import open_trace, shipped
from harness.decoding.storage import read_decoded
from harness.errors import InputError, StorageError
from harness.pipeline import run


def request(prompt: str = "C4", steps: int = 4, duration_s: float = 0.2) -> GenerationRequest:
    return GenerationRequest(prompt, num_inference_steps=steps, duration_s=duration_s)


class Watch:
    """A hook that notes how large each batch is, and fails where it is told to."""

    def __init__(self, fail_at: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.fail_at = fail_at
        self.error = error
        self.batches: list[int] = []

    def wants(self, point: HookPoint) -> bool:
        return point.name == "x_t"

    def __call__(self, point: HookPoint, value: torch.Tensor) -> None:
        if point.step == 0:
            self.batches.append(len(value))
        if point.step == self.fail_at:
            raise self.error


def test_report_decodes_first_where_artifacts_are_shipped(generator, fitted, tmp_path, monkeypatch):
    home = tmp_path / "shipped" / "closed-form"
    shutil.copytree(fitted.sae, home / "sae")
    shutil.copytree(fitted.probes, home / "probes" / "latents")
    (home / "source.json").write_text(json.dumps(fitted.source.to_json()))
    monkeypatch.setattr(shipped, "HOME", tmp_path / "shipped")
    (result,) = run(generator, [request()], tmp_path / "run", trace=True, report=True)
    assert result.trace is not None
    with open_trace(result.trace) as trace:
        decoded = read_decoded(trace)
    assert decoded is not None
    assert list(decoded.properties) == ["pitch", "loudness", "timbre"]
    assert result.report is not None
    assert 'id="decoded"' in result.report.read_text(encoding="utf-8")


def test_traced_audio_is_the_untraced_audio(generator, tmp_path):
    (plain,) = run(generator, [request()], tmp_path / "plain")
    (traced,) = run(generator, [request()], tmp_path / "traced", trace=True)
    assert plain.audio.read_bytes() == traced.audio.read_bytes()


def test_neighbours_with_one_plan_share_a_batch(generator, tmp_path):
    watch = Watch()
    requests = [request(), request("E4"), request("G4"), request(steps=5), request()]
    results = run(generator, requests, tmp_path, batch_size=2, hooks=[watch])
    assert watch.batches == [2, 1, 1, 1]
    assert [result.dir.name for result in results] == ["000", "001", "002", "003", "004"]
    assert [result.request.num_inference_steps for result in results] == [4, 4, 4, 5, 4]


def test_progress_counts_every_step_of_every_batch(generator, tmp_path):
    seen: list[tuple[str, int, int]] = []
    run(generator, [request(steps=3), request(steps=2)], tmp_path, progress=lambda *args: seen.append(args))
    assert seen == [("sampling", done, 5) for done in (0, 1, 2, 3, 3, 4, 5)]


def test_request_file_says_what_was_run(generator, tmp_path):
    (result,) = run(generator, [request("C4 zither")], tmp_path, command="harness generate")
    document = json.loads((tmp_path / "request.json").read_text())
    assert document["request"]["prompt"] == "C4 zither"
    assert document["request"]["guidance_scale"] == 0.0
    assert document["generator"]["weights_sha256"] == generator.weights_sha256
    assert document["codec"]["id"] == "closed-form"
    assert document["versions"]["torch"] == torch.__version__
    assert document["hardware"]["cores"] > 0
    assert document["command"] == "harness generate"
    assert document["notes"] == list(result.notes)
    assert document["audio_gain_db"] == 0.0


def test_interrupted_run_keeps_its_finished_steps(generator, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(generator, [request(), request("E4")], tmp_path / "out", trace=True, hooks=[Watch(fail_at=3)])
    for name in ("000", "001"):
        assert [path.name for path in (tmp_path / "out" / name).iterdir()] == ["trace.h5"]
        with open_trace(tmp_path / "out" / name / "trace.h5") as trace:
            assert (trace.complete, trace.steps) == (False, 3)


def test_interrupted_run_without_a_trace_leaves_nothing(generator, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(generator, [request()], tmp_path / "out", hooks=[Watch(fail_at=3)])
    assert list(tmp_path.iterdir()) == []


def test_finished_runs_stay_when_a_later_one_fails(generator, tmp_path):
    watch = Watch(fail_at=4, error=RuntimeError)
    with pytest.raises(RuntimeError):
        run(generator, [request(steps=3), request(steps=5)], tmp_path / "out", hooks=[watch])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000"]
    assert (tmp_path / "out" / "000" / "audio.wav").is_file()


@pytest.mark.parametrize(
    ("requests", "options", "phrase"),
    [
        ([], {}, "at least one"),
        ([request()], {"batch_size": 0}, "batch_size"),
        ([request()], {"report": True}, "need the trace"),
        ([request()], {"hidden": ["mean"]}, "need the trace"),
        ([request()], {"trace": True, "hidden": ["nope"]}, "nope"),
    ],
)
def test_bad_arguments(generator, tmp_path, requests, options, phrase):
    with pytest.raises(InputError, match=phrase):
        run(generator, requests, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_bad_request_is_found_before_the_first_step_and_numbered(generator, tmp_path):
    watch = Watch()
    with pytest.raises(RequestError, match="prompt 2: `duration_s` is 99"):
        run(generator, [request(), request(duration_s=99)], tmp_path / "out", hooks=[watch])
    assert watch.batches == []
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(generator, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        run(generator, [request()], tmp_path / "file" / "out")
