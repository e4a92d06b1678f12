from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from analysis.source import SourceError
from harness.errors import InputError
from harness.interventions.ablate import Ablate
from harness.interventions.add import Add
from harness.interventions.bind import bind
from harness.interventions.call import Call
from harness.interventions.clamp import Clamp
from harness.interventions.random_direction import RandomDirection
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.interventions.steer import steer


class Watch:
    """Keep the guided clean estimates as the sampler goes on with them."""

    def __init__(self) -> None:
        self.seen: dict[int, torch.Tensor] = {}

    def wants(self, point):
        return point.name == "x1_hat" and point.branch is None

    def __call__(self, point, value):
        self.seen[point.step] = value.clone()


def shifted(value, point):
    return value + 1.0


def test_strength_0_is_bit_identical(generator, artifacts, request_):
    plain = generator.generate(request_)
    for item in (
        Scale(3, 5.0, strength=0.0),
        Clamp(3, 1.0, strength=0.0),
        Ablate(3, strength=0.0),
        Add(3, strength=0.0),
        Add(3, mode="paek", strength=0.0),
        SetProperty("pitch", 2.0, strength=0.0),
        Call(shifted, strength=0.0),
    ):
        steered = generator.generate(request_, bind([item], generator, request_, artifacts))
        assert torch.equal(steered.latents, plain.latents), item
        assert (steered.audio == plain.audio).all()


def test_edits_outside_window_and_frames_are_none_at_all(generator, artifacts, request_):
    before, after = Watch(), Watch()
    schedule = Schedule(steps=(2, 4), frames_s=(0.0, 0.05))
    (bound,) = bind([Call(shifted, schedule=schedule)], generator, request_, artifacts)
    generator.generate(request_, [before, bound, after])
    mask = schedule.frame_mask(before.seen[0].shape[1], generator.codec.frame_rate_hz)
    assert mask is not None
    assert 0 < int(mask.sum()) < len(mask)
    assert sorted(bound.record) == [2, 3]
    for step in before.seen:
        change = after.seen[step] - before.seen[step]
        expected = torch.where(mask[None, :, None] & (step in (2, 3)), 1.0, 0.0).expand_as(change)
        torch.testing.assert_close(change, expected, rtol=0, atol=1e-5)
        assert torch.equal(change[:, ~mask], torch.zeros_like(change[:, ~mask]))


def test_record_is_the_norm_relative_to_the_estimate(generator, artifacts, request_):
    before = Watch()
    (bound,) = bind([Scale((0, 1, 2), 3.0)], generator, request_, artifacts)
    after = Watch()
    generator.generate(request_, [before, bound, after])
    for step, size in bound.record.items():
        expected = (after.seen[step] - before.seen[step]).norm() / before.seen[step].norm()
        torch.testing.assert_close(size, expected[None], rtol=1e-4, atol=1e-6)


def test_interventions_act_in_their_order(generator, artifacts, request_):
    def doubled(value, point):
        return 2 * value

    once = Schedule(steps=(7, 8))
    plain, one, other = Watch(), Watch(), Watch()
    for watch, chosen in ((plain, []), (one, [shifted, doubled]), (other, [doubled, shifted])):
        bound = bind([Call(f, schedule=once) for f in chosen], generator, request_, artifacts)
        generator.generate(request_, [*bound, watch])
    torch.testing.assert_close(one.seen[7], 2 * (plain.seen[7] + 1))
    torch.testing.assert_close(other.seen[7], 2 * plain.seen[7] + 1)


def test_norm_is_kept_where_asked(generator, artifacts, request_):
    before, after = Watch(), Watch()
    bound = bind([Add(3, strength=2.0, keep_norm=True)], generator, request_, artifacts)
    generator.generate(request_, [before, *bound, after])
    for step, value in before.seen.items():
        torch.testing.assert_close(after.seen[step].norm(dim=-1), value.norm(dim=-1))
        assert not torch.equal(after.seen[step], value)


def test_branches(generator, artifacts, request_):
    """Guidance s makes an edit of cond act 1 + s times, of uncond -s times, of both and of guided once."""
    once = {"steps": (7, 8)}
    plain = generator.generate(request_).latents
    moved = {}
    for branch in ("guided", "cond", "uncond", "both"):
        bound = bind([Call(shifted, schedule=Schedule(branch=branch, **once))], generator, request_, artifacts)
        moved[branch] = float((generator.generate(request_, bound).latents - plain).mean())
    assert moved == pytest.approx({"guided": 1.0, "cond": 2.5, "uncond": -1.5, "both": 1.0}, abs=1e-4)


def test_hidden_layer_takes_every_branch_by_default(generator, artifacts, request_):
    seen = []

    def note(value, point):
        seen.append((point.step, point.branch))

    bound = bind([Call(note, at="mean", schedule=Schedule(steps=(0, 2)))], generator, request_, artifacts)
    generator.generate(request_, bound)
    assert seen == [(0, "cond"), (0, "uncond"), (1, "cond"), (1, "uncond")]


def test_bound_hooks_start_anew_with_every_generation(generator, artifacts, request_):
    bound = bind([SetProperty("pitch", 2.0), Scale(3, 2.0)], generator, request_, artifacts)
    first = generator.generate(request_, bound)
    record = dict(bound[1].record)
    second = generator.generate(dataclasses.replace(request_, seed=1), bound)
    third = generator.generate(request_, bound)
    assert not torch.equal(first.latents, second.latents)
    assert torch.equal(first.latents, third.latents)
    assert record.keys() == bound[1].record.keys()


def test_control_moves_as_far_in_another_direction(generator, artifacts, request_):
    once = Schedule(steps=(7, 8))
    like = Scale((0, 1, 2, 3), 3.0, schedule=once)
    plain, own, control = Watch(), Watch(), Watch()
    generator.generate(request_, [plain])
    generator.generate(request_, [*bind([like], generator, request_, artifacts), own])
    generator.generate(request_, [*bind([RandomDirection(like)], generator, request_, artifacts), control])
    edit, random = own.seen[7] - plain.seen[7], control.seen[7] - plain.seen[7]
    torch.testing.assert_close(random.norm(dim=-1), edit.norm(dim=-1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(random, edit)


def test_steer_restores_the_generator(generator, artifacts, request_):
    plain = generator.generate(request_).latents
    inside = [Call(shifted)]
    with steer(generator, inside, artifacts) as steered:
        assert steered is generator
        one = generator.generate(request_).latents
        with steer(generator, inside, artifacts):
            two = generator.generate(request_).latents
        assert torch.equal(generator.generate(request_).latents, one)
    assert not torch.equal(one, plain)
    assert not torch.equal(two, one)
    with pytest.raises(RuntimeError, match="stop"), steer(generator, inside, artifacts):
        raise RuntimeError("stop")
    assert torch.equal(generator.generate(request_).latents, plain)
    assert "generate_batch" not in vars(generator)


def test_a_failing_function_leaves_the_model_untouched(generator, artifacts, request_):
    def fail(value, point):
        if point.step == 3:
            raise RuntimeError("mine")

    plain = generator.generate(request_).latents
    with pytest.raises(RuntimeError, match="mine"):
        generator.generate(request_, bind([Call(fail, at="mean")], generator, request_, artifacts))
    assert not any(module._forward_hooks for module in generator.denoiser.modules())
    assert torch.equal(generator.generate(request_).latents, plain)


@pytest.mark.parametrize(
    ("make", "phrase"),
    [
        (lambda: SetProperty("pich", 3), "did you mean 'pitch'"),
        (lambda: SetProperty("pitch", to=200.0), "outside what the probe knows; give"),
        (lambda: SetProperty("pitch", math.nan), "finite"),
        (lambda: SetProperty("pitch"), "either a change or a value"),
        (lambda: Scale(32, 2.0), "no feature 32; the topk SAE of 32 features has 0 to 31"),
        (lambda: Scale(-1, 2.0), "no feature -1"),
        (lambda: Scale((1, 1), 2.0), "different whole numbers"),
        (lambda: Scale(1, math.nan), "finite"),
        (lambda: Scale(1, 2.0, strength=math.inf), "strength is inf"),
        (lambda: Clamp(1, -1.0), "0 or more"),
        (lambda: Add(), "either features, or a property"),
        (lambda: Add(property="pitch", value=5.0), "outside what the probe knows"),
        (lambda: Scale(1, 2.0, at="velocity"), "hook_point"),
        (lambda: Scale(1, 2.0, at="means"), "did you mean 'mean'"),
        (lambda: Scale(1, 2.0, schedule=Schedule(t=(0.0, 0.2), steps=(5, 8))), "no update lies in"),
        (lambda: Scale(1, 2.0, schedule=Schedule(steps=(0, 9))), "beyond the 8 updates"),
        (lambda: Scale(1, 2.0, schedule=Schedule(frames_s=(0.1, 0.9))), "end after the audio"),
        (lambda: Scale(1, 2.0, at="x_t", schedule=Schedule(branch="cond")), "shared by all branches"),
        (lambda: "pitch+3", "is not an intervention"),
    ],
)
def test_bad_interventions_are_refused_before_anything_runs(generator, artifacts, request_, make, phrase):
    with pytest.raises((InputError, SourceError), match=phrase):
        bind([make()], generator, request_, artifacts)


def test_a_branch_that_does_not_run(generator, artifacts, request_):
    unguided = dataclasses.replace(request_, guidance_scale=0.0)
    with pytest.raises(InputError, match="does not run without guidance"):
        bind([Scale(1, 2.0, schedule=Schedule(branch="uncond"))], generator, unguided, artifacts)


def test_an_sae_of_another_codec(generator, artifacts, request_):
    sae = artifacts.sae
    other = dataclasses.replace(sae.source, weights_sha256="0" * 64)
    stranger = type(sae)(sae.config, other)
    with pytest.raises(SourceError, match="weights_sha256"):
        bind([Scale(1, 2.0)], generator, request_, dataclasses.replace(artifacts, sae=stranger))
