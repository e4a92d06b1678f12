"""Sampling a flow-matching model: pure functions over a velocity callable, every intermediate visible to hooks.

Flow: ``x_t = (1 - t) * noise + t * data``; velocity = data - noise; clean estimate
``x1_hat = x_t + (1 - t) * velocity``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from generators.base import Branch, HookPoint, StepHook
from generators.tap import emit, wanted

VelocityFn = Callable[[Tensor, int, float, tuple[Branch, ...]], tuple[Tensor, ...]]
"""``(x_t [B, T, C], step, t, branches) -> one velocity [B, T, C] per branch``."""

GuidanceFn = Callable[[Tensor, float, Tensor, Tensor], Tensor]
"""``(x_t, t, cond, uncond) -> guided velocity``."""


def time_grid(num_inference_steps: int, sway: float | None = None) -> tuple[float, ...]:
    """Lay out the times of all S + 1 states, evenly spaced from 0 to 1, optionally bent by sway sampling.

    ``sway`` s maps t to ``t + s * (cos(pi/2 * t) - 1 + t)`` (F5-TTS, arXiv 2410.06885); s = -1 packs points near noise.
    """
    # Networks read 1000 t in float32: times rounded otherwise than the original's are visible in what it makes.
    times = torch.linspace(0, 1, num_inference_steps + 1)
    if sway is not None:
        times = times + sway * (torch.cos(torch.pi / 2 * times) - 1 + times)
    return (0.0, *times[1:-1].tolist(), 1.0)


def classifier_free(scale: float) -> GuidanceFn:
    """Guidance as DiffRhythm writes it: ``cond + scale * (cond - uncond)`` (w = scale + 1 in the usual notation)."""

    def guide(x: Tensor, t: float, cond: Tensor, uncond: Tensor) -> Tensor:
        return cond + (cond - uncond) * scale

    return guide


def euler_sample(
    velocity: VelocityFn,
    noise: Tensor,
    times: Sequence[float],
    *,
    branches: tuple[Branch, ...] = ("cond",),
    guide: GuidanceFn | None = None,
    hooks: Sequence[StepHook] = (),
) -> Tensor:
    """Integrate ``dx/dt = velocity`` from ``noise`` along ``times`` by explicit Euler steps; return the final state.

    At step k the hooks see, in this order: ``x_t``; per branch ``x1_hat`` then ``velocity``; the guided ``x1_hat`` then
    the guided ``velocity`` (branch None). ``velocity`` comes last because it is what the update uses: an edit of
    ``x1_hat`` by D has by then become an edit of the velocity by ``D / (1 - t)``. The final state is shown as ``x_t``
    with step S and t = 1. A replacement equal to the value it replaces leaves the result bit-identical.

    Parameters
    ----------
    velocity
        Called once per step with all branches.
    noise
        ``x_t[0]``, shape ``[B, T, C]``.
    times
        S + 1 increasing times from 0 to 1.
    branches, guide
        With two branches, ``guide`` combines them; with one, its velocity is the guided one.
    """
    if len(branches) == 2 and guide is None:
        raise ValueError("two branches were given but no rule to combine them; pass guide=classifier_free(scale)")
    x = noise
    for step, (t, t_next) in enumerate(itertools.pairwise(times)):
        x = emit(hooks, HookPoint("x_t", step, t), x)
        outputs = velocity(x, step, t, branches)
        shown = [
            show_velocity(hooks, x, step, t, branch, output) for branch, output in zip(branches, outputs, strict=True)
        ]
        guided = shown[0] if guide is None or len(shown) == 1 else guide(x, t, *shown)
        guided = show_velocity(hooks, x, step, t, None, guided)
        x = x + (t_next - t) * guided
    return emit(hooks, HookPoint("x_t", len(times) - 1, times[-1]), x)


def show_velocity(
    hooks: Sequence[StepHook], x: Tensor, step: int, t: float, branch: Branch | None, value: Tensor
) -> Tensor:
    """Show one branch's clean estimate, then its velocity; return the velocity after any replacement.

    ``value`` itself (the same object) comes back when no hook replaced anything.
    """
    point = HookPoint("x1_hat", step, t, branch)
    if wanted(hooks, point):
        x1_hat = x + (1 - t) * value
        edited = emit(hooks, point, x1_hat)
        if edited is not x1_hat:
            # Adding the difference, not recomputing, keeps an edit of nothing bit-identical.
            value = value + (edited - x1_hat) / (1 - t)
    return emit(hooks, HookPoint("velocity", step, t, branch), value)
