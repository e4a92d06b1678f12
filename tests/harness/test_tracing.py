"""The tracer sees everything, changes nothing, and fails in the open."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import harness.tracing
from generators.base import Generation, GenerationRequest, HookPoint, StepHook
from generators.closed_form import ClosedFormGenerator
from generators.codecs.closed_form import ClosedFormCodec
from generators.diffrhythm import DiffRhythmGenerator
from generators.sampling import euler_sample
from generators.testing import Edit, Recorder
from harness import open_trace
from harness.errors import ExistsError, InputError, StorageError, TraceError
from harness.tracing import Tracer

STEPS = 6
SMALL = {"dim": 32, "depth": 2, "heads": 4, "text_dim": 8, "cond_dim": 8, "conv_layers": 1, "text_num_embeds": 9}
REQUESTS = [
    GenerationRequest("C4 loud", seed=seed, num_inference_steps=STEPS, guidance_scale=1.5, duration_s=0.4)
    for seed in (1, 2)
]


@pytest.fixture(scope="module")
def generator() -> ClosedFormGenerator:
    return ClosedFormGenerator.from_pretrained()


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [tmp_path / "a.h5", tmp_path / "b.h5"]


def trace(
    generator: ClosedFormGenerator, paths: Sequence[Path], hooks: Sequence[StepHook] = (), **options: object
) -> list[Generation]:
    with Tracer(generator, REQUESTS, paths, **options) as tracer:
        generations = generator.generate_batch(REQUESTS, [*hooks, tracer])
        tracer.finish(generations)
    return generations


class Stop(Exception):
    """Raised by ``At``."""


class At:
    """A hook that does something when it sees a state at one step."""

    def __init__(self, step: int, action: object) -> None:
        self.step = step
        self.action = action

    def wants(self, point: HookPoint) -> bool:
        return point.name == "x_t" and point.step == self.step

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        self.action()


def stop() -> None:
    raise Stop


@pytest.mark.parametrize("hidden", [(), ("*",)])
def test_a_traced_generation_is_bit_identical(
    generator: ClosedFormGenerator, paths: list[Path], hidden: tuple[str, ...]
) -> None:
    plain = generator.generate_batch(REQUESTS)
    traced = trace(generator, paths, hidden=hidden)
    for before, after in zip(plain, traced, strict=True):
        assert torch.equal(before.latents, after.latents)
        np.testing.assert_array_equal(before.audio, after.audio)


def test_the_trace_holds_what_hooks_are_shown(generator: ClosedFormGenerator, paths: list[Path]) -> None:
    seen = Recorder("x_t", "velocity", "x1_hat", "mean")
    generations = trace(generator, paths, [seen], hidden=["mean", "dist*"], hidden_dtype="float32")
    for index, (path, generation) in enumerate(zip(paths, generations, strict=True)):
        with open_trace(path) as found:
            assert (found.complete, found.steps) == (True, STEPS)
            for k in range(STEPS):
                np.testing.assert_array_equal(found.x_t[k], seen.at("x_t", k)[index])
                np.testing.assert_array_equal(found.velocity[k], seen.at("velocity", k)[index])
                np.testing.assert_array_equal(found.x1_hat(k), seen.at("x1_hat", k)[index])
                for branch in ("cond", "uncond"):
                    np.testing.assert_array_equal(found.velocity_of(branch)[k], seen.at("velocity", k, branch)[index])
                    np.testing.assert_array_equal(found.x1_hat(k, branch), seen.at("x1_hat", k, branch)[index])
                    np.testing.assert_array_equal(
                        found.hidden["mean"].at(k, branch), seen.at("mean", k, branch)[index].float()
                    )
            np.testing.assert_array_equal(found.x_t[STEPS], generation.latents)
            np.testing.assert_array_equal(found.audio, generation.audio)
            assert found.hidden["mean"].axes == ("frame", "feature")
            assert found.hidden["distances"].axes == ("feature",)
            assert found.request["seed"] == REQUESTS[index].seed
            assert [request["seed"] for request in found.batch] == [1, 2]
            assert found.metadata["batch_index"] == index
            assert found.metadata["seconds"] > 0
            assert found.metadata["versions"]["h5py"]
            assert found.generator_id == "closed-form"
            assert found.weights_sha256 == generator.weights_sha256
            assert found.sampler == dict(generator.plan(REQUESTS[0]).sampler)
            assert found.sample_rate_hz == generation.sample_rate_hz


@pytest.mark.parametrize(
    "edit",
    [
        Edit(lambda v: v * 1.5, "velocity", step=2, branches=[None]),
        Edit(lambda v: v + 1, "velocity", step=2, branches=["uncond"]),
        Edit(lambda v: v * 0, "x_t", step=3, branches=[None]),
        Edit(lambda v: v + 1, "x1_hat", step=2, branches=[None]),
    ],
)
def test_the_trace_holds_what_interventions_left(generator: ClosedFormGenerator, paths: list[Path], edit: Edit) -> None:
    seen = Recorder("x_t", "velocity")
    trace(generator, paths, [edit, seen], extra={"interventions": ["edit"]})
    with open_trace(paths[1]) as found:
        for k in range(STEPS):
            np.testing.assert_array_equal(found.x_t[k], seen.at("x_t", k)[1])
            np.testing.assert_array_equal(found.velocity[k], seen.at("velocity", k)[1])
        assert found.metadata["extra"] == {"interventions": ["edit"]}


def test_hidden_states_are_thinned_as_asked(generator: ClosedFormGenerator, paths: list[Path]) -> None:
    seen = Recorder("mean")
    trace(generator, paths, [seen], hidden=["mean"], hidden_every=4, hidden_stride=3, hidden_dtype="float16")
    with open_trace(paths[0]) as found:
        mean = found.hidden["mean"]
        assert mean.steps == (0, 4)
        assert mean.indices.tolist() == [0, 3, 6]
        assert mean.dtype == np.float16
        expected = seen.at("mean", 4, "uncond")[0, ::3].half()
        np.testing.assert_array_equal(mean.at(4, "uncond"), expected)


def test_leaving_early_leaves_a_readable_incomplete_trace(generator: ClosedFormGenerator, paths: list[Path]) -> None:
    with pytest.raises(Stop):
        trace(generator, paths, [At(4, stop)])
    for path in paths:
        with open_trace(path) as found:
            assert (found.complete, found.steps, found.audio) == (False, 4, None)
    assert not any(module._forward_hooks for module in generator.denoiser.modules())


def test_stopping_in_the_first_step_leaves_nothing(
    generator: ClosedFormGenerator, paths: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(Stop):
        trace(generator, paths, [At(0, stop)])
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_stops_the_run_and_leaves_the_model_alone(
    generator: ClosedFormGenerator, paths: list[Path]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        # Let the thread write what it has, then let the disk refuse.
        deadline = time.monotonic() + 20
        while open_trace(paths[0]).steps < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))

    plain = generator.generate_batch(REQUESTS)
    try:
        with pytest.raises(StorageError, match="the 3 finished steps stay readable"):
            trace(generator, paths, [At(3, fill)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with open_trace(paths[0]) as found:
        assert (found.complete, found.steps) == (False, 3)
    assert not any(module._forward_hooks for module in generator.denoiser.modules())
    assert torch.equal(generator.generate_batch(REQUESTS)[0].latents, plain[0].latents)


def test_what_can_be_refused_is_refused_before_the_first_step(
    generator: ClosedFormGenerator, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = At(0, stop)
    with pytest.raises(InputError, match="unknown hidden pattern 'meen'; did you mean 'mean'"):
        trace(generator, paths, [never], hidden=["meen"])
    with pytest.raises(InputError, match="every must be at least 1, not 0"):
        trace(generator, paths, [never], hidden=["mean"], hidden_every=0)
    with pytest.raises(InputError, match="'float8'"):
        trace(generator, paths, [never], hidden=["mean"], hidden_dtype="float8")
    with pytest.raises(StorageError, match="No such file"):
        trace(generator, [tmp_path / "none" / "a.h5", paths[1]], [never])
    with pytest.raises(ValueError, match="2 requests and 1 paths"):
        Tracer(generator, REQUESTS, paths[:1])
    with monkeypatch.context() as patch:
        patch.setattr(harness.tracing.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100_000}))
        with pytest.raises(StorageError, match=r"would take 0\.\d+ MiB, but .* has 0\.10 MiB free"):
            trace(generator, paths, [never])
    paths[1].write_bytes(b"mine")
    with pytest.raises(ExistsError, match=r"b\.h5 is already there"):
        trace(generator, paths, [never])
    assert paths[1].read_bytes() == b"mine"
    trace(generator, paths, force=True)


def test_very_large_traces_need_a_yes(
    generator: ClosedFormGenerator, paths: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(harness.tracing, "LARGE_BYTES", 400_000)
    trace(generator, paths)
    with pytest.raises(InputError, match=r"would take 0\.\d+ MiB; record fewer modules"):
        trace(generator, paths, force=True, hidden=["*"], hidden_dtype="float32")
    trace(generator, paths, force=True, yes=True, hidden=["*"], hidden_dtype="float32")


def test_large_hidden_states_are_refused_before_the_first_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = DiffRhythmGenerator.random(SMALL, ClosedFormCodec(), seed=1)
    request = GenerationRequest("", num_inference_steps=2)
    patterns = ["transformer_blocks.*", "text_embed"]
    tracer = Tracer(generator, [request], [tmp_path / "a.h5"], hidden=patterns)
    with tracer:
        tracer.finish([generator.generate(request, [tracer])])
    monkeypatch.setattr(harness.tracing, "LARGE_BYTES", (tmp_path / "a.h5").stat().st_size // 2)
    Tracer(generator, [request], [tmp_path / "b.h5"], hidden=patterns, hidden_stride=8).__enter__()
    with pytest.raises(InputError, match="record fewer modules"):
        Tracer(generator, [request], [tmp_path / "b.h5"], hidden=patterns).__enter__()


def test_finish_insists_on_the_whole_trajectory(generator: ClosedFormGenerator, paths: list[Path]) -> None:
    generations = generator.generate_batch(REQUESTS)
    with Tracer(generator, REQUESTS, paths) as tracer, pytest.raises(TraceError, match="give the tracer"):
        tracer.finish(generations)
    with Tracer(generator, REQUESTS, paths) as tracer:
        generator.generate_batch(REQUESTS, [tracer])
        with pytest.raises(TraceError, match="not the final state"):
            tracer.finish(generations[::-1])
    with open_trace(paths[0]) as found:
        assert (found.complete, found.steps) == (False, STEPS)


def test_another_batch_than_announced_is_refused(generator: ClosedFormGenerator, paths: list[Path]) -> None:
    with Tracer(generator, REQUESTS, paths) as tracer, pytest.raises(ValueError, match=r"shape \(2, 9, 16\)"):
        generator.generate_batch(REQUESTS[:1], [tracer])


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (torch.float16, "float16"),
        (torch.bfloat16, "float32"),
        (torch.float32, "float32"),
        (torch.float64, "float64"),
    ],
)
def test_states_of_every_precision_are_kept_exactly(
    generator: ClosedFormGenerator, paths: list[Path], dtype: torch.dtype, stored: str
) -> None:
    request = GenerationRequest("", num_inference_steps=STEPS, duration_s=0.4)
    plan = generator.plan(request)
    noise = torch.randn(1, plan.frames, plan.channels).to(dtype)
    seen = Recorder("x_t", "velocity")
    with Tracer(generator, [request], paths[:1]) as tracer:
        final = euler_sample(lambda x, *_: (torch.sin(x),), noise, plan.times, hooks=[seen, tracer])
        audio = np.zeros((generator.codec.channels, 100), np.float32)
        tracer.finish([Generation(audio, generator.codec.sample_rate_hz, final[0].float(), request)])
    with open_trace(paths[0]) as found:
        assert found.x_t.dtype.name == stored
        assert found.metadata["source_dtype"] == str(dtype).removeprefix("torch.")
        for k in range(STEPS):
            np.testing.assert_array_equal(found.x_t[k], seen.at("x_t", k)[0].double())
            np.testing.assert_array_equal(found.velocity[k], seen.at("velocity", k)[0].double())
            expected = seen.at("x_t", k)[0].double() + (1 - plan.times[k]) * seen.at("velocity", k)[0].double()
            np.testing.assert_allclose(found.x1_hat(k), expected, rtol=1e-5, atol=1e-6)
        assert found.audio is not None
        assert found.audio.shape == (generator.codec.channels, 100)


def test_overflowing_float16_is_noted(generator: ClosedFormGenerator, paths: list[Path]) -> None:
    trace(generator, paths, [Edit(lambda v: v * 1e6, "mean", step=2)], hidden=["mean"])
    with open_trace(paths[0]) as found:
        assert np.isinf(found.hidden["mean"].at(2)).any()
        assert any("mean go beyond float16" in note for note in found.metadata["notes"])


@pytest.mark.gpu
def test_values_on_a_gpu_arrive_whole(tmp_path: Path) -> None:
    generator = ClosedFormGenerator.from_pretrained(device="cuda")
    request = GenerationRequest("", num_inference_steps=64, guidance_scale=1.5)
    seen = Recorder("x_t", "velocity", "mean")
    with Tracer(generator, [request], [tmp_path / "a.h5"], hidden=["mean"], hidden_dtype="float32") as tracer:
        tracer.finish(generator.generate_batch([request], [seen, tracer]))
    with open_trace(tmp_path / "a.h5") as found:
        for k in range(64):
            np.testing.assert_array_equal(found.x_t[k], seen.at("x_t", k)[0].cpu())
            np.testing.assert_array_equal(found.velocity_of("uncond")[k], seen.at("velocity", k, "uncond")[0].cpu())
            np.testing.assert_array_equal(found.hidden["mean"].at(k), seen.at("mean", k, "cond")[0].float().cpu())
