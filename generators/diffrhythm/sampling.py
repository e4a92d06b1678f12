"""DiffRhythm's sampler: Euler steps under guidance by a negative style, with every intermediate visible to hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from generators.base import Branch, HookPoint, StepHook
from generators.diffrhythm.transformer import DiffRhythmTransformer
from generators.sampling import VelocityFn, classifier_free, euler_sample, time_grid
from generators.tap import DenoiserTap

MIN_GUIDANCE = 1e-5
"""Below this scale only the conditional branch is run."""

CONSTANT_MODULES = ("text_embed", "text_fusion_linears", "start_time_embed", "duration_time_embed")
"""Modules whose output does not depend on the step."""


@torch.no_grad()
def sample(
    transformer: DiffRhythmTransformer,
    *,
    noise: Tensor,
    cond: Tensor,
    text: Tensor,
    style: Tensor,
    negative_style: Tensor,
    start_time: Tensor | float,
    duration: Tensor | float | None = None,
    num_time_points: int = 32,
    guidance: float = 4.0,
    sway: float | None = None,
    regenerate: Sequence[tuple[int, int]] | None = None,
    hooks: Sequence[StepHook] = (),
    batched: bool = False,
) -> tuple[Tensor, Tensor]:
    """Follow the flow from ``noise`` to latents.

    The state, the velocities and the guidance are float32 whatever the type of the weights. Modules that do not depend
    on the step run once per song and branch, unless a hook wants to see one of them: then they run at every step, with
    the same results, and what the hook puts there holds for that step and branch.

    Parameters
    ----------
    noise
        ``x_t[0]``, ``[B, T, C]``.
    cond
        Reference latents ``[B or 1, L, C]``, L >= T, of which the first T frames are used; zeros without a reference.
    text
        int64 ``[B or 1, T]``, one token per frame, 0 where there is none.
    style, negative_style
        ``[B or 1, K]``, of the conditional and of the unconditional branch; the latter also drops ``cond`` and
        ``text``.
    start_time, duration
        ``[B or 1]`` or a number, see ``DiffRhythmTransformer.prepare``.
    num_time_points
        Points of the time grid, one more than there are updates (the original's "steps").
    guidance
        ``velocity = cond + guidance * (cond - uncond)``: diffusers' ``guidance_scale`` is this number plus 1. Below
        1e-5 the unconditional branch is not run.
    sway
        Bends the time grid, see ``generators.sampling.time_grid``.
    regenerate
        Half-open frame ranges to generate anew; ``cond`` shows the other frames to the network and replaces them in
        ``out``. None = everything, without a reference.
    hooks
        See ``generators.sampling.euler_sample``; hidden states are shown per branch.
    batched
        Run both branches in one batch of 2B: faster on a large device, equal up to rounding.

    Returns
    -------
    trajectory, out
        float32 ``[num_time_points, B, T, C]``, the states from the noise to the final one, and ``[B, T, C]``, the
        final state after kept frames were put back.
    """
    if num_time_points < 2:
        raise ValueError(f"num_time_points is {num_time_points}; a grid has at least the points 0 and 1")
    device = transformer.device
    batch, frames, _ = noise.shape
    mask = _regenerated(regenerate, frames).to(device)
    reference = _reference(cond, frames).to(device, torch.float32)
    song = _repeat(
        batch,
        cond=reference.masked_fill(mask, 0.0),
        text=text.to(device),
        style=style.to(device),
        start_time=torch.as_tensor(start_time, device=device).reshape(-1),
        **({} if duration is None else {"duration": torch.as_tensor(duration, device=device).reshape(-1)}),
    )
    inputs: dict[Branch, dict[str, Tensor]] = {"cond": song}
    if guidance >= MIN_GUIDANCE:
        inputs["uncond"] = {
            **song,
            "cond": torch.zeros_like(song["cond"]),
            "text": torch.zeros_like(song["text"]),
            **_repeat(batch, style=negative_style.to(device)),
        }
    branches = tuple(inputs)
    groups = (branches,) if batched else tuple((branch,) for branch in branches)
    times = time_grid(num_time_points - 1, sway)
    states = _States()
    with DenoiserTap(transformer, hooks, times, branches) as tap:
        final = euler_sample(
            network_velocity(transformer, inputs, groups, tap),
            noise.to(device, torch.float32),
            times,
            branches=branches,
            guide=classifier_free(guidance),
            hooks=(*hooks, states),
        )
    return torch.stack(states.seen), torch.where(mask, final, reference)


def network_velocity(
    transformer: DiffRhythmTransformer,
    inputs: Mapping[Branch, Mapping[str, Tensor]],
    groups: Sequence[tuple[Branch, ...]],
    tap: DenoiserTap,
) -> VelocityFn:
    """Make the velocity callable of ``euler_sample``.

    Parameters
    ----------
    transformer
        The network.
    inputs
        Per branch what ``DiffRhythmTransformer.prepare`` takes, every tensor with batch B.
    groups
        Branches that share a network call. What does not depend on the step is computed once, unless it is watched.
    tap
        Told at every call which step and branches it belongs to.
    """
    stacked: list[dict[str, Any]] = [
        {name: torch.cat([inputs[branch][name] for branch in group]) for name in inputs[group[0]]} for group in groups
    ]
    watched = any(name.split(".")[0] in CONSTANT_MODULES for name in tap.modules)
    arguments = stacked if watched else [{"conditions": transformer.prepare(**tensors)} for tensors in stacked]

    def velocity(x: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
        outputs: list[Tensor] = []
        for group, given in zip(groups, arguments, strict=True):
            with tap.at(step, t, group, len(x)):
                output = transformer(x.repeat(len(group), 1, 1), time=torch.tensor(t), **given)
            outputs.extend(output.chunk(len(group)))
        return tuple(outputs)

    return velocity


class _States:
    """Hook that keeps every state."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def wants(self, point: HookPoint) -> bool:
        return point.name == "x_t"

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        self.seen.append(value)


def _regenerated(ranges: Sequence[tuple[int, int]] | None, frames: int) -> Tensor:
    """Mark the frames to generate anew: boolean ``[T, 1]``."""
    mask = torch.zeros(frames, 1, dtype=torch.bool)
    for first, end in [(0, frames)] if ranges is None else ranges:
        if first > end:
            raise ValueError(f"regenerate holds ({first}, {end}); give half-open frame ranges (first, end)")
        mask[max(first, 0) : max(end, 0)] = True
    return mask


def _reference(cond: Tensor, frames: int) -> Tensor:
    if cond.shape[1] < frames:
        raise ValueError(
            f"the reference has {cond.shape[1]} frames, the song {frames}; give a longer one or ask for a shorter song"
        )
    return cond[:, :frames]


def _repeat(batch: int, **tensors: Tensor) -> dict[str, Tensor]:
    """Expand tensors of one song to the batch."""
    for name, tensor in tensors.items():
        if len(tensor) not in (1, batch):
            raise ValueError(f"{name} has batch {len(tensor)}; give 1 or the noise's {batch}")
    return {name: tensor.expand(batch, *tensor.shape[1:]) for name, tensor in tensors.items()}
