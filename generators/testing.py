"""The published conformance suite: subclass in a pytest module, say how to make one, inherit every test.

    class TestMyGenerator(GeneratorTests):
        def generator(self):
            return MyGenerator.from_pretrained()

The tests run short clips of few steps. ``generator`` and ``codec`` are called in every test: cache what loads slowly.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generators.base import Branch, GenerationRequest, Generator, HookPoint, RequestError
from generators.codecs.base import Codec

SAMPLER_POINTS = ("x_t", "velocity", "x1_hat")


class Recorder:
    """Hook that keeps what it is shown at some names (none given: at all)."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.seen: list[tuple[HookPoint, Tensor]] = []

    def wants(self, point: HookPoint) -> bool:
        """Want every point of the names."""
        return not self.names or point.name in self.names

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Keep a copy."""
        self.seen.append((point, value.clone()))

    def at(self, name: str, step: int, branch: Branch | None = None) -> Tensor:
        """Return the value seen at a point."""
        (value,) = (v for p, v in self.seen if (p.name, p.step, p.branch) == (name, step, branch))
        return value


class Edit:
    """Hook that replaces values by a function of them, at some names (none given: at all) of one step (None: all)."""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        *names: str,
        step: int | None = None,
        branches: Sequence[Branch | None] = (None, "cond", "uncond"),
    ) -> None:
        self.function = function
        self.names = names
        self.step = step
        self.branches = branches

    def wants(self, point: HookPoint) -> bool:
        """Want the names at the step and branches."""
        right_place = not self.names or point.name in self.names
        return right_place and self.step in (None, point.step) and point.branch in self.branches

    def __call__(self, point: HookPoint, value: Tensor) -> Tensor:
        """Return the replacement."""
        return self.function(value)


class HookFailed(Exception):
    """Raised by ``fail``; stands for any error in a user's hook."""


def fail(value: Tensor) -> Tensor:
    """Raise ``HookFailed``: for ``Edit``."""
    raise HookFailed


def torch_hooks(module: nn.Module) -> int:
    """Count the forward hooks and pre-hooks on a module and everything in it."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


class GeneratorTests(ABC):
    """What every generator keeps. Override ``request`` where the default one does not fit."""

    batch_tolerance = 1e-4
    """Largest difference between a batch and its singles, relative to the largest latent."""

    @abstractmethod
    def generator(self) -> Generator:
        """Return the generator under test."""

    def request(self) -> GenerationRequest:
        """Return a short request; with two branches where the generator has guidance."""
        return GenerationRequest("", duration_s=0.5, num_inference_steps=4, guidance_scale=1.0, seed=3)

    def test_audio_is_the_decoded_latents(self) -> None:
        """Shapes, types and rate are the codec's, and the audio is what the latents decode to."""
        generator = self.generator()
        generation, plan = generator.generate(self.request()), generator.plan(self.request())
        assert generation.latents.shape == (plan.frames, plan.channels)
        assert generation.latents.dtype == torch.float32
        assert generation.latents.device.type == "cpu"
        assert generation.sample_rate_hz == generator.codec.sample_rate_hz
        assert generation.audio.dtype == "float32"
        channels, samples = generation.audio.shape
        assert channels == generator.codec.channels
        assert 0 < samples <= plan.frames * generator.codec.hop_samples
        audio = torch.from_numpy(generation.audio)
        assert audio.isfinite().all()
        decoded = generator.codec.decode(generation.latents[None])[0, :, :samples]
        torch.testing.assert_close(audio, decoded.cpu().float(), rtol=1e-3, atol=1e-3)

    def test_seed_decides_alone(self) -> None:
        """One seed gives one output, another seed another, and the global random state is neither read nor moved."""
        generator, request = self.generator(), self.request()
        torch.manual_seed(0)
        first = generator.generate(request)
        torch.manual_seed(1)
        state = torch.get_rng_state()
        second = generator.generate(request)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(first.latents, second.latents)
        assert (first.audio == second.audio).all()
        other = generator.generate(dataclasses.replace(request, seed=request.seed + 1))
        assert not torch.equal(first.latents, other.latents)

    def test_hooks_see_every_point_once(self) -> None:
        """The sampler's points come once per step and branch with the planned t; hidden states equally often."""
        generator, recorder = self.generator(), Recorder()
        plan = generator.plan(self.request())
        generator.generate(self.request(), [recorder])
        steps = range(len(plan.times) - 1)
        expected: set[tuple[str, int, Branch | None]] = {("x_t", k, None) for k in range(len(plan.times))}
        expected |= {(name, k, b) for name in ("velocity", "x1_hat") for k in steps for b in (None, *plan.branches)}
        counts = Counter((point.name, point.step, point.branch) for point, _ in recorder.seen)
        assert {place for place in counts if place[0] in SAMPLER_POINTS} == expected
        hidden = {name for name, _, _ in counts} - set(SAMPLER_POINTS)
        assert hidden <= set(generator.hook_points())
        assert {p for p in counts if p[0] in hidden} == {
            (n, k, b) for n in hidden for k in steps for b in plan.branches
        }
        assert {counts[place] for place in expected} == {1}
        # A module may run several times in one network call, a shared activation for example.
        assert all(counts[n, k, b] == counts[n, 0, "cond"] for n in hidden for k in steps for b in plan.branches)
        for point, value in recorder.seen:
            assert point.t == plan.times[point.step]
            assert len(value) == 1
            if point.name in SAMPLER_POINTS:
                assert value.shape == (1, plan.frames, plan.channels)

    def test_trajectory_adds_up(self) -> None:
        """``x1_hat = x_t + (1 - t) velocity``; Euler steps add ``dt * velocity``; the last state is the latents."""
        generator, recorder = self.generator(), Recorder(*SAMPLER_POINTS)
        plan = generator.plan(self.request())
        generation = generator.generate(self.request(), [recorder])
        for step, (t, t_next) in enumerate(itertools.pairwise(plan.times)):
            x = recorder.at("x_t", step)
            for branch in (None, *plan.branches):
                velocity = recorder.at("velocity", step, branch)
                torch.testing.assert_close(recorder.at("x1_hat", step, branch), x + (1 - t) * velocity)
            if plan.sampler.get("solver") == "euler":
                expected = x + (t_next - t) * recorder.at("velocity", step)
                torch.testing.assert_close(recorder.at("x_t", step + 1), expected)
        last = recorder.at("x_t", len(plan.times) - 1)[0]
        torch.testing.assert_close(generation.latents, last.cpu().float())

    def test_plan_is_ready_for_json(self) -> None:
        """Times run up to 1 and the sampler's settings are JSON values."""
        plan = self.generator().plan(self.request())
        assert plan.times[0] >= 0
        assert plan.times[-1] == 1
        assert list(plan.times) == sorted(set(plan.times))
        assert len(plan.times) == (self.request().num_inference_steps or 0) + 1
        assert json.loads(json.dumps(dict(plan.sampler), allow_nan=False)) == dict(plan.sampler)

    @pytest.mark.parametrize(
        "hook",
        [Recorder(), Edit(Tensor.clone), Edit(lambda value: value + 0), Edit(lambda value: value, "x1_hat")],
        ids=["observe", "clone", "add zero", "same object"],
    )
    def test_hooks_that_change_nothing_change_no_bit(self, hook: Any) -> None:
        """Watching, or putting equal values back, at every point leaves the output bit-identical."""
        generator = self.generator()
        plain, hooked = generator.generate(self.request()), generator.generate(self.request(), [hook])
        assert torch.equal(plain.latents, hooked.latents)
        assert (plain.audio == hooked.audio).all()

    def test_edit_of_x1_hat_moves_the_velocity(self) -> None:
        """Adding D to the guided clean estimate adds D / (1 - t) to the velocity of that step."""
        generator, before, after = self.generator(), Recorder("velocity"), Recorder("velocity")
        t = generator.plan(self.request()).times[1]
        generator.generate(self.request(), [before])
        generator.generate(self.request(), [Edit(lambda value: value + 0.5, "x1_hat", step=1, branches=[None]), after])
        moved = after.at("velocity", 1) - before.at("velocity", 1)
        torch.testing.assert_close(moved, torch.full_like(moved, 0.5 / (1 - t)), rtol=1e-3, atol=1e-3)

    def test_replacements_are_used(self) -> None:
        """A replaced state is the one the denoiser gets and, at the end, the one that is returned."""
        generator, recorder = self.generator(), Recorder("x1_hat", "velocity")
        steps = len(generator.plan(self.request()).times) - 1
        edits = [Edit(torch.zeros_like, "x_t", step=1), Edit(torch.ones_like, "x_t", step=steps)]
        generation = generator.generate(self.request(), [*edits, recorder])
        t = generator.plan(self.request()).times[1]
        torch.testing.assert_close(recorder.at("x1_hat", 1), (1 - t) * recorder.at("velocity", 1))
        assert torch.equal(generation.latents, torch.ones_like(generation.latents))

    @pytest.mark.parametrize("kind", [*SAMPLER_POINTS, "hidden"])
    @pytest.mark.parametrize("function", [fail, lambda value: value[..., :-1]], ids=["exception", "wrong shape"])
    def test_failing_hooks_leave_no_trace(self, kind: str, function: Callable[[Tensor], Tensor]) -> None:
        """An exception or a wrong shape at any kind of point comes through and leaves the generator as it was."""
        generator = self.generator()
        hooks_before = torch_hooks(generator.denoiser)
        plain = generator.generate(self.request())
        name = self._last_hidden(generator) if kind == "hidden" else kind
        with pytest.raises(HookFailed if function is fail else ValueError):
            generator.generate(self.request(), [Edit(function, name, step=1)])
        assert torch_hooks(generator.denoiser) == hooks_before
        assert torch.equal(generator.generate(self.request()).latents, plain.latents)

    def test_hidden_states_belong_to_their_branch(self) -> None:
        """Replacing a hidden state of the unconditional branch changes that branch's velocity and no other."""
        generator = self.generator()
        if len(generator.plan(self.request()).branches) < 2:
            pytest.skip("the request runs one branch")
        before, after = Recorder("velocity"), Recorder("velocity")
        generator.generate(self.request(), [before])
        edit = Edit(lambda value: value + 1, self._last_hidden(generator), step=0, branches=["uncond"])
        generator.generate(self.request(), [edit, after])
        assert torch.equal(before.at("velocity", 0, "cond"), after.at("velocity", 0, "cond"))
        assert not torch.equal(before.at("velocity", 0, "uncond"), after.at("velocity", 0, "uncond"))

    def test_save_and_load_keep_the_output(self, tmp_path: Path) -> None:
        """A saved folder gives the same weights' digest and the same bits."""
        generator = self.generator()
        generator.save_pretrained(tmp_path / "saved")
        loaded = type(generator).from_pretrained(tmp_path / "saved")
        assert loaded.weights_sha256 == generator.weights_sha256
        assert int(loaded.weights_sha256, 16) < 2**256
        assert torch.equal(loaded.generate(self.request()).latents, generator.generate(self.request()).latents)

    def test_batch_equals_singles(self) -> None:
        """Two requests in one batch give what they give alone, and hooks see both."""
        generator, recorder = self.generator(), Recorder("x_t")
        requests = [self.request(), dataclasses.replace(self.request(), seed=self.request().seed + 1)]
        batch = generator.generate_batch(requests, [recorder])
        assert all(len(value) == 2 for _, value in recorder.seen)
        for request, generation in zip(requests, batch, strict=True):
            single = generator.generate(request)
            difference = (generation.latents - single.latents).abs().max()
            assert difference <= self.batch_tolerance * single.latents.abs().max()
            assert generation.request == single.request

    def test_batch_needs_one_plan(self) -> None:
        """An empty batch and requests of different steps are refused."""
        generator = self.generator()
        with pytest.raises(RequestError):
            generator.generate_batch([])
        with pytest.raises(RequestError):
            generator.generate_batch([self.request(), dataclasses.replace(self.request(), num_inference_steps=5)])

    def test_resolve_fills_in_and_keeps(self) -> None:
        """``resolve`` leaves no number open, keeps what was given, and does nothing the second time."""
        generator = self.generator()
        resolved = generator.resolve(GenerationRequest(self.request().prompt, seed=11))
        assert None not in (resolved.duration_s, resolved.num_inference_steps, resolved.guidance_scale)
        assert resolved.seed == 11
        assert generator.resolve(resolved) == resolved
        kept = generator.resolve(self.request())
        for name in ("prompt", "duration_s", "num_inference_steps", "seed"):
            assert getattr(kept, name) == getattr(self.request(), name)
        assert generator.generate(self.request()).request == kept

    @pytest.mark.parametrize(
        "bad",
        [
            *({"num_inference_steps": steps} for steps in (0, 1, -3, 1001, 10**9, 2.5, True)),
            *({"duration_s": seconds} for seconds in (0.0, -1.0, 1e9, math.nan, math.inf, "long")),
            *({"guidance_scale": scale} for scale in (math.nan, math.inf, -1.0)),
            *({"seed": seed} for seed in (-1, 2**63, 2**70, 0.5)),
            {"prompt": None},
            {"options": {"no_such_option": 1}},
        ],
        ids=str,
    )
    def test_bad_values_are_refused(self, bad: dict[str, Any]) -> None:
        """Every value out of range raises ``RequestError`` with a one-line message, before anything runs."""
        request = dataclasses.replace(self.request(), **bad)
        with pytest.raises(RequestError) as error:
            self.generator().plan(request)
        assert str(error.value)
        assert "\n" not in str(error.value)

    def _last_hidden(self, generator: Generator) -> str:
        """Name of the hidden state that comes last within a step: the nearest to the output."""
        recorder = Recorder()
        generator.generate(self.request(), [recorder])
        names = [point.name for point, _ in recorder.seen if point.name not in SAMPLER_POINTS]
        if not names:
            pytest.skip("the denoiser shows no hidden state")
        return names[-1]


class CodecTests(ABC):
    """What every codec keeps."""

    batch_tolerance = 1e-4
    """Largest difference between a batch and its singles, relative to the largest value."""

    @abstractmethod
    def codec(self) -> Codec:
        """Return the codec under test."""

    @pytest.mark.parametrize("frames", [1, 2, 7])
    def test_decode_makes_whole_frames(self, frames: int) -> None:
        """Latents of T frames give float32 audio of ``T * hop`` samples, the same every time."""
        codec, latents = self.codec(), self._latents(frames)
        audio = codec.decode(latents)
        assert audio.shape == (2, codec.channels, frames * codec.hop_samples)
        assert audio.dtype == torch.float32
        assert audio.isfinite().all()
        assert torch.equal(audio, codec.decode(latents))

    @pytest.mark.parametrize("hops", [0, 0.5, 1, 1.5, 3, 3.25])
    def test_encode_takes_any_length(self, hops: float) -> None:
        """N samples, from a single one, give ``ceil(N / hop)`` frames."""
        codec = self.codec()
        samples = max(round(hops * codec.hop_samples), 1)
        latents = codec.encode(self._audio(samples), codec.sample_rate_hz)
        assert latents.shape == (2, math.ceil(samples / codec.hop_samples), codec.latent_channels)
        assert latents.isfinite().all()

    @pytest.mark.parametrize("sample_rate_hz", [8000, 16000, 44100, 192000])
    def test_encode_takes_any_rate(self, sample_rate_hz: int) -> None:
        """Audio of another rate is resampled: the frame count follows its duration."""
        codec = self.codec()
        samples = round(3.5 * codec.hop_samples * sample_rate_hz / codec.sample_rate_hz)
        assert codec.encode(self._audio(samples), sample_rate_hz).shape[1] == 4

    @pytest.mark.parametrize("channels", [1, 2, 6])
    def test_encode_takes_any_channels(self, channels: int) -> None:
        """Mono, stereo and surround audio are mixed to what the codec takes."""
        codec = self.codec()
        audio = self._audio(2 * codec.hop_samples)[:, :1].expand(-1, channels, -1)
        assert codec.encode(audio, codec.sample_rate_hz).shape == (2, 2, codec.latent_channels)

    def test_encode_refuses_other_dimensions(self) -> None:
        """Audio without batch or channel dimension is a ``ValueError``."""
        with pytest.raises(ValueError, match="shape"):
            self.codec().encode(torch.zeros(4000), self.codec().sample_rate_hz)

    def test_silence_is_finite(self) -> None:
        """Silence encodes and decodes to finite numbers."""
        codec = self.codec()
        latents = codec.encode(torch.zeros(1, codec.channels, 3 * codec.hop_samples), codec.sample_rate_hz)
        assert latents.isfinite().all()
        assert codec.decode(latents).isfinite().all()

    @pytest.mark.parametrize("scale", [0.0, -1.0, 10.0])
    def test_edited_latents_decode(self, scale: float) -> None:
        """Encoded latents can be scaled, even far out of range, and still give finite audio of the same length."""
        codec = self.codec()
        latents = codec.encode(self._audio(5 * codec.hop_samples), codec.sample_rate_hz)
        audio = codec.decode(scale * latents)
        assert audio.shape[-1] == 5 * codec.hop_samples
        assert audio.isfinite().all()

    def test_batch_equals_singles(self) -> None:
        """Encoding and decoding treat every item of a batch alone."""
        codec = self.codec()
        audio = self._audio(3 * codec.hop_samples)
        latents = codec.encode(audio, codec.sample_rate_hz)
        self._assert_near(latents[1:], codec.encode(audio[1:], codec.sample_rate_hz))
        self._assert_near(codec.decode(latents)[1:], codec.decode(latents[1:]))

    def test_describes_itself(self) -> None:
        """Name, rates and the weights' digest are there."""
        codec = self.codec()
        assert codec.id
        assert codec.frame_rate_hz == codec.sample_rate_hz / codec.hop_samples
        assert len(codec.weights_sha256) == 64
        assert codec.weights_sha256 == self.codec().weights_sha256

    def _latents(self, frames: int) -> Tensor:
        shape = (2, frames, self.codec().latent_channels)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def _audio(self, samples: int) -> Tensor:
        """Two clips of a tone with a little noise, the second much softer."""
        codec = self.codec()
        tone = 0.3 * torch.sin(2 * math.pi * 220 / codec.sample_rate_hz * torch.arange(samples))
        noise = torch.randn(2, codec.channels, samples, generator=torch.Generator().manual_seed(0))
        return torch.tensor([1.0, 0.2])[:, None, None] * (tone + 0.01 * noise)

    def _assert_near(self, actual: Tensor, expected: Tensor) -> None:
        assert (actual - expected).abs().max() <= self.batch_tolerance * expected.abs().max()
