"""The conformance suites can fail: each planted fault is found by the test that is there for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.base import Generation, GenerationRequest, Generator, HookPoint, StepHook
from generators.closed_form import ClosedFormGenerator
from generators.codecs.base import Codec
from generators.codecs.closed_form import ClosedFormCodec
from generators.testing import CodecTests, Edit, GeneratorTests, Recorder

Failure = (AssertionError, pytest.fail.Exception)


class Deaf:
    """Hook that shows another hook everything and throws its replacements away."""

    def __init__(self, hook: StepHook) -> None:
        self.hook = hook

    def wants(self, point: HookPoint) -> bool:
        return self.hook.wants(point)

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        self.hook(point, value.clone())


class Faulty(ClosedFormGenerator):
    """The closed form with one fault."""

    fault = ""

    def generate_batch(self, requests: Sequence[GenerationRequest], hooks: Sequence[StepHook] = ()) -> list[Generation]:
        if self.fault == "replacements ignored":
            hooks = [Deaf(hook) for hook in hooks]
        if self.fault == "watching disturbs" and hooks:
            hooks = [Edit(lambda value: value * (1 + 1e-6), "velocity"), *hooks]
        if self.fault == "hook left behind" and hooks:
            self.denoiser.mean.register_forward_hook(lambda module, args, output: None)
        if self.fault == "noise from the global state":
            hooks = [Edit(torch.randn_like, "x_t", step=0), *hooks]
        if self.fault == "batch mixes" and len(requests) > 1:
            hooks = [Edit(lambda value: value.flip(0), "x_t", step=1), *hooks]
        if self.fault == "twice":
            super().generate_batch(requests, hooks)
        return super().generate_batch(requests, hooks)

    def save_pretrained(self, directory: str | Path) -> None:
        latents = self.denoiser.latents
        if self.fault == "saves something else":
            self.denoiser.latents = latents + 1
        super().save_pretrained(directory)
        self.denoiser.latents = latents

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        return request if self.fault == "no checks" else super().resolve(request)


class Suite(GeneratorTests):
    def generator(self) -> Generator:
        return Faulty.from_pretrained()


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("replacements ignored", lambda s, p: s.test_replacements_are_used()),
        ("replacements ignored", lambda s, p: s.test_edit_of_x1_hat_moves_the_velocity()),
        ("watching disturbs", lambda s, p: s.test_hooks_that_change_nothing_change_no_bit(Recorder())),
        ("hook left behind", lambda s, p: s.test_failing_hooks_leave_no_trace("x_t", lambda value: value[..., :-1])),
        ("noise from the global state", lambda s, p: s.test_seed_decides_alone()),
        ("batch mixes", lambda s, p: s.test_batch_equals_singles()),
        ("twice", lambda s, p: s.test_hooks_see_every_point_once()),
        ("saves something else", lambda s, p: s.test_save_and_load_keep_the_output(p)),
        ("no checks", lambda s, p: s.test_resolve_fills_in_and_keeps()),
        ("no checks", lambda s, p: s.test_bad_values_are_refused({"seed": -1})),
    ],
)
def test_generator_fault_is_found(
    fault: str, check: Callable[[GeneratorTests, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(Suite(), tmp_path)
    monkeypatch.setattr(Faulty, "fault", fault)
    with pytest.raises(Failure):
        check(Suite(), tmp_path)


class FaultyCodec(ClosedFormCodec):
    fault = ""

    def decode(self, latents: Tensor) -> Tensor:
        audio = super().decode(latents)
        if self.fault == "a sample short":
            return audio[..., :-1]
        if self.fault == "normalised over the batch":
            return audio / audio.abs().max()
        if self.fault == "overflows":
            return audio * latents.abs().amax().exp().exp()
        return audio

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        return super().encode(audio, self.sample_rate_hz if self.fault == "rate ignored" else sample_rate_hz)


class CodecSuite(CodecTests):
    def codec(self) -> Codec:
        return FaultyCodec()


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("a sample short", lambda s: s.test_decode_makes_whole_frames(2)),
        ("normalised over the batch", lambda s: s.test_batch_equals_singles()),
        ("overflows", lambda s: s.test_edited_latents_decode(10.0)),
        ("rate ignored", lambda s: s.test_encode_takes_any_rate(44100)),
    ],
)
def test_codec_fault_is_found(fault: str, check: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    check(CodecSuite())
    monkeypatch.setattr(FaultyCodec, "fault", fault)
    with pytest.raises(Failure):
        check(CodecSuite())
