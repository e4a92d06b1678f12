"""The sampler against velocities whose integrals are known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from generators.base import Branch
from generators.sampling import classifier_free, euler_sample, time_grid
from generators.testing import Edit, Recorder

NOISE = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


def constant(x: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
    return (torch.full_like(x, 2.0),)


def growth(x: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
    return (x,)


def two_branches(x: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
    return torch.ones_like(x), torch.full_like(x, 3.0)


def test_time_grid_is_even_without_sway() -> None:
    assert time_grid(4) == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("sway", [None, -1.0, 0.5])
def test_times_are_those_of_float32_to_the_bit(sway: float | None) -> None:
    t = torch.linspace(0, 1, 32)
    if sway is not None:
        t = t + sway * (torch.cos(torch.pi / 2 * t) - 1 + t)
    assert time_grid(31, sway)[:-1] == tuple(t[:-1].tolist())


def test_sway_of_minus_one_is_one_minus_cosine() -> None:
    times = time_grid(8, sway=-1.0)
    assert times == pytest.approx([1 - math.cos(math.pi / 2 * k / 8) for k in range(9)], abs=1e-7)
    assert (times[0], times[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("sway", [-1.0, -0.5, 0.0, 0.5])
def test_sway_keeps_the_order_of_times(sway: float) -> None:
    times = time_grid(31, sway)
    assert all(early < late for early, late in itertools.pairwise(times))


@pytest.mark.parametrize("times", [time_grid(2), time_grid(7), time_grid(5, -1.0)])
def test_constant_velocity_is_exact(times: tuple[float, ...]) -> None:
    torch.testing.assert_close(euler_sample(constant, NOISE, times), NOISE + 2.0)


def test_linear_velocity_multiplies_by_each_step() -> None:
    torch.testing.assert_close(euler_sample(growth, NOISE, time_grid(10)), NOISE * 1.1**10)


@pytest.mark.parametrize("times", [time_grid(2), time_grid(9), time_grid(9, -1.0)])
def test_flow_to_a_point_is_exact(times: tuple[float, ...]) -> None:
    point = torch.linspace(-1, 1, NOISE.numel()).reshape(NOISE.shape)

    def velocity(x: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
        return ((point - x) / (1 - t),)

    torch.testing.assert_close(euler_sample(velocity, NOISE, times), point)


def test_convergence_is_of_first_order() -> None:
    noise = NOISE.double()
    errors = [(euler_sample(growth, noise, time_grid(steps)) - noise * math.e).abs().max() for steps in (64, 128, 256)]
    assert [float(coarse / fine) for coarse, fine in itertools.pairwise(errors)] == pytest.approx([2, 2], rel=0.02)


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 1.0), (0.5, 0.0), (4.0, -7.0)])
def test_guidance_extrapolates_from_the_unconditional_branch(scale: float, expected: float) -> None:
    guide = classifier_free(scale)
    final = euler_sample(two_branches, NOISE, time_grid(5), branches=("cond", "uncond"), guide=guide)
    torch.testing.assert_close(final, NOISE + expected)


def test_two_branches_need_a_rule() -> None:
    with pytest.raises(ValueError, match="guide="):
        euler_sample(two_branches, NOISE, time_grid(5), branches=("cond", "uncond"))


def test_order_of_hook_points() -> None:
    recorder = Recorder()
    euler_sample(
        two_branches, NOISE, time_grid(2), branches=("cond", "uncond"), guide=classifier_free(1.0), hooks=[recorder]
    )
    one_step = [
        ("x_t", None),
        ("x1_hat", "cond"),
        ("velocity", "cond"),
        ("x1_hat", "uncond"),
        ("velocity", "uncond"),
        ("x1_hat", None),
        ("velocity", None),
    ]
    assert [(p.name, p.branch) for p, _ in recorder.seen] == [*one_step, *one_step, ("x_t", None)]
    assert [(p.step, p.t) for p, _ in recorder.seen] == [*[(0, 0.0)] * 7, *[(1, 0.5)] * 7, (2, 1.0)]


def test_edit_of_a_branch_passes_through_guidance() -> None:
    edit = Edit(lambda value: value + 1, "x1_hat", step=1, branches=["uncond"])
    recorder = Recorder("velocity")
    euler_sample(
        two_branches, NOISE, time_grid(4), branches=("cond", "uncond"), guide=classifier_free(2.0),
        hooks=[edit, recorder],
    )  # fmt: skip
    assert torch.equal(recorder.at("velocity", 1, "cond"), torch.ones_like(NOISE))
    torch.testing.assert_close(recorder.at("velocity", 1, "uncond"), torch.full_like(NOISE, 3 + 1 / 0.75))
    torch.testing.assert_close(recorder.at("velocity", 1), torch.full_like(NOISE, 1 + 2 * (1 - 3 - 1 / 0.75)))
    torch.testing.assert_close(recorder.at("velocity", 2), torch.full_like(NOISE, 1 + 2 * (1 - 3)))


def test_edited_estimate_of_the_last_step_is_the_result() -> None:
    edit = Edit(torch.zeros_like, "x1_hat", step=4)
    torch.testing.assert_close(euler_sample(growth, NOISE, time_grid(5), hooks=[edit]), torch.zeros_like(NOISE))
