"""The one convention against the library's own conversions, for every scheduler and prediction type."""

from __future__ import annotations

import itertools
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from generators.base import RequestError
from generators.diffusers_audio.exchange import exchanged
from generators.diffusers_audio.levels import FAMILIES, Level, levels_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

VP = {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195}
UNCLIPPED = {**VP, "clip_sample": False}
EDM = {"sigma_min": 0.3, "sigma_max": 500.0, "sigma_data": 0.7}
PREDICTIONS = ("epsilon", "v_prediction", "sample")
OWN_ESTIMATE = [
    *(("DDIMScheduler", {**UNCLIPPED, "prediction_type": kind}) for kind in PREDICTIONS),
    *(("DDPMScheduler", {**UNCLIPPED, "prediction_type": kind}) for kind in PREDICTIONS),
    *(("EulerDiscreteScheduler", {**VP, "prediction_type": kind}) for kind in PREDICTIONS[:2]),
    *(("EulerAncestralDiscreteScheduler", {**VP, "prediction_type": kind}) for kind in PREDICTIONS[:2]),
    *(("LMSDiscreteScheduler", {**VP, "prediction_type": kind}) for kind in PREDICTIONS[:2]),
    *(("DPMSolverMultistepScheduler", {**VP, "prediction_type": kind}) for kind in PREDICTIONS),
    ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
    ("DPMSolverSinglestepScheduler", {**VP, "prediction_type": "v_prediction", "lower_order_final": True}),
    *(("UniPCMultistepScheduler", {**VP, "prediction_type": kind}) for kind in PREDICTIONS[:2]),
    ("SASolverScheduler", {**VP, "prediction_type": "epsilon"}),
    *(("EDMDPMSolverMultistepScheduler", {**EDM, "prediction_type": kind}) for kind in PREDICTIONS[:2]),
    *(("EDMEulerScheduler", {**EDM, "prediction_type": kind}) for kind in PREDICTIONS[:2]),
    ("CosineDPMSolverMultistepScheduler", {**EDM, "prediction_type": "v_prediction"}),
]
STRAIGHT = [
    ("DDIMScheduler", {**UNCLIPPED, "prediction_type": "epsilon"}),
    ("EulerDiscreteScheduler", {**VP, "prediction_type": "v_prediction"}),
    ("DPMSolverMultistepScheduler", {**VP, "solver_order": 1}),
    ("EDMDPMSolverMultistepScheduler", {**EDM, "solver_order": 1}),
    ("FlowMatchEulerDiscreteScheduler", {"num_train_timesteps": 1}),
    ("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}),
]


def make(name: str, settings: dict[str, Any]) -> tuple[Any, tuple[Level, ...]]:
    scheduler = getattr(diffusers, name)(**settings)
    sigmas = {"sigmas": [1.0, 0.8, 0.6, 0.4, 0.2]} if name.startswith("Flow") else {"num_inference_steps": 5}
    scheduler.set_timesteps(**sigmas)
    return scheduler, levels_of(scheduler)


def walk(scheduler: Any, levels: tuple[Level, ...]) -> Any:
    """Step with random predictions; yield each step's level, state, prediction, what the step returned."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 6, generator=draw) * max(1.0, levels[0].sigma)
    for step, timestep in enumerate(scheduler.timesteps):
        scheduler.scale_model_input(x, timestep) if hasattr(scheduler, "scale_model_input") else None
        m = torch.randn(x.shape, generator=draw)
        options = {"generator": draw} if name_takes_generator(scheduler) else {}
        result = scheduler.step(m, timestep, x, **options)
        yield step, x, m, result
        x = result.prev_sample


def name_takes_generator(scheduler: Any) -> bool:
    return type(scheduler).__name__ in ("DDPMScheduler", "EulerAncestralDiscreteScheduler", "SASolverScheduler")


def x1_hat(level: Level, x: Tensor, m: Tensor) -> Tensor:
    return level.of_x * x + level.of_m * m


@pytest.mark.filterwarnings("ignore:Should have t[ab]")
@pytest.mark.parametrize(("name", "settings"), OWN_ESTIMATE, ids=lambda value: value if isinstance(value, str) else "")
def test_estimate_is_the_schedulers_own(name: str, settings: dict[str, Any]) -> None:
    scheduler, levels = make(name, settings)
    for step, x, m, result in walk(scheduler, levels):
        own = getattr(result, "pred_original_sample", None)
        own = scheduler.model_outputs[-1] if own is None else own
        if type(scheduler).__name__ == "DPMSolverSinglestepScheduler":
            own = next(output for output in scheduler.model_outputs[::-1] if output is not None)
        scale = x1_hat(levels[step], x, m).abs().max()
        torch.testing.assert_close(x1_hat(levels[step], x, m) / scale, own / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "settings"), STRAIGHT, ids=lambda value: value if isinstance(value, str) else "")
def test_first_order_steps_follow_the_velocity(name: str, settings: dict[str, Any]) -> None:
    scheduler, levels = make(name, settings)
    for step, x, m, result in walk(scheduler, levels):
        here, there = levels[step], levels[step + 1]
        if step + 1 == len(levels) - 1 and name == "DDIMScheduler":
            continue  # its schedule leaves noise in the last state, which is data all the same
        velocity = here.velocity_of_x * x + here.velocity_of_m * m
        expected = x / here.scale + (there.t - here.t) * velocity
        torch.testing.assert_close(result.prev_sample / there.scale, expected, rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(x / here.scale + (1 - here.t) * velocity, x1_hat(here, x, m), rtol=1e-4, atol=2e-5)


def test_an_added_estimate_is_what_the_scheduler_sees() -> None:
    for name, settings in OWN_ESTIMATE:
        _, levels = make(name, settings)
        for level in levels[:-1]:
            moved = level.of_m * (2.0 / level.velocity_of_m) / (1 - level.t)
            assert moved == pytest.approx(2.0)


def test_times_run_from_noise_to_data() -> None:
    for name, settings in OWN_ESTIMATE + STRAIGHT:
        _, levels = make(name, settings)
        times = [level.t for level in levels]
        assert 0 <= times[0] < 0.2
        assert times[-1] == 1
        assert all(earlier < later for earlier, later in itertools.pairwise(times))


def test_every_scheduler_in_the_table_exists() -> None:
    assert all(hasattr(diffusers, name) for name in FAMILIES)


@pytest.mark.parametrize(
    ("name", "settings", "phrase"),
    [
        ("PNDMScheduler", VP, "PNDMScheduler is not known.*record=x_t"),
        ("HeunDiscreteScheduler", VP, "single steps"),
        ("DDPMScheduler", {**VP, "variance_type": "learned_range"}, "learned variance"),
        ("EulerDiscreteScheduler", {**VP, "prediction_type": "sample"}, None),
    ],
)
def test_what_is_not_known_is_named(name: str, settings: dict[str, Any], phrase: str | None) -> None:
    if phrase is None:
        make(name, settings)
        return
    with pytest.raises(RequestError, match=phrase):
        make(name, settings)


def test_schedulers_are_exchanged_only_for_ones_that_fit() -> None:
    class Pipeline:
        scheduler = diffusers.DDIMScheduler(**VP)

    pipeline = Pipeline()
    with exchanged(pipeline, "EulerDiscreteScheduler"):
        assert pipeline.scheduler.config.beta_end == VP["beta_end"]
        assert type(pipeline.scheduler).__name__ == "EulerDiscreteScheduler"
    assert type(pipeline.scheduler).__name__ == "DDIMScheduler"
    with pytest.raises(RequestError, match="does not fit"), exchanged(pipeline, "FlowMatchEulerDiscreteScheduler"):
        pass
