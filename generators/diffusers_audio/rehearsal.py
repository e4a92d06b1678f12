"""Finding out what a pipeline is about to do: start it, look, and stop it before the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from generators.base import Branch, RequestError
from generators.diffusers_audio.families import Family
from generators.diffusers_audio.layout import Layout
from generators.diffusers_audio.levels import Level, levels_of, unknown_levels
from generators.diffusers_audio.run import run
from generators.diffusers_audio.scheduler_tap import tapped


@dataclass(frozen=True)
class Rehearsal:
    """What one call of a pipeline will do."""

    levels: tuple[Level, ...]
    """Of all S + 1 states."""
    layout: Layout
    branches: tuple[Branch, ...]
    """Branches that can be seen; none of a pipeline that is not known."""
    noise_scale: float
    """What the pipeline multiplies the latents it is given by."""


class _Stopped(Exception):
    """Carries the shape of what the network, or the scheduler, was about to get."""

    def __init__(self, shape: torch.Size) -> None:
        self.shape = shape


def rehearse(
    pipeline: Any,
    arguments: Mapping[str, Any],
    denoiser: nn.Module,
    family: Family | None,
    latent_channels: int,
    states_alone: bool,
) -> Rehearsal:
    """Call the pipeline for one request until its first network call (its first step, where the network is not known).

    The pipeline's own checks and its own schedule are what counts, so nothing is repeated here. With ``states_alone``
    the scheduler need not be known.

    Raises
    ------
    RequestError
        With the pipeline's own words, when it refuses the arguments.
    """
    shape = _first_input(pipeline, arguments, denoiser, family)
    scheduler = pipeline.scheduler
    levels = unknown_levels(len(scheduler.timesteps)) if states_alone else levels_of(scheduler)
    branches: tuple[Branch, ...] = ()
    if family is not None:
        guided = shape[0] > 1 if family.calls == 1 else arguments["guidance_scale"] > 1
        branches = ("cond", "uncond") if guided else ("cond",)
    return Rehearsal(
        levels=levels,
        layout=Layout.of(tuple(shape[1:]), latent_channels),
        branches=branches,
        noise_scale=float(scheduler.init_noise_sigma) if family is not None and family.scaled_noise else 1.0,
    )


def _first_input(pipeline: Any, arguments: Mapping[str, Any], denoiser: nn.Module, family: Family | None) -> torch.Size:
    """Shape of the first tensor that reaches the network or the scheduler."""

    def at_network(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _Stopped((args[0] if args else kwargs["hidden_states"]).shape)

    def at_step(prediction: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        raise _Stopped(sample.shape)

    with ExitStack() as stack:
        if family is not None:
            stack.callback(denoiser.register_forward_pre_hook(at_network, with_kwargs=True).remove)
        else:
            stack.enter_context(tapped(pipeline.scheduler, at_step, lambda sample: sample))
        try:
            run(pipeline, arguments)
        except _Stopped as stopped:
            return stopped.shape
        except (ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            raise RequestError(f"{type(pipeline).__name__} refuses this: {said}") from error
    raise RequestError(f"{type(pipeline).__name__} never called its scheduler; it cannot be traced")
