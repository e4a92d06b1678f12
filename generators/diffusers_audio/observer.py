"""Showing a running pipeline to hooks: states, predictions per branch and guided, hidden layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from generators.base import Branch, HookPoint, RequestError, SamplingPlan, StepHook
from generators.diffusers_audio.families import Family
from generators.diffusers_audio.layout import Layout
from generators.diffusers_audio.levels import Level
from generators.diffusers_audio.scheduler_tap import tapped
from generators.sampling import show_velocity
from generators.tap import DenoiserTap, emit, wanted


class Observer:
    """Follows one call of a pipeline, step by step.

    Hooks see float32 (float64 stays) in the one convention of ``levels``; what they replace is turned back into the
    scheduler's own state and prediction by adding the difference, so that putting equal values back changes no bit.

    Parameters
    ----------
    hooks, plan
        Whom to show it to, and what was planned.
    levels, layout
        How the pipeline's own tensors relate to what hooks see.
    family
        What is known of the pipeline; None = nothing, so branches and hidden layers are not seen.
    batch
        B.
    """

    def __init__(
        self,
        hooks: Sequence[StepHook],
        plan: SamplingPlan,
        levels: Sequence[Level],
        layout: Layout,
        family: Family | None,
        batch: int,
    ) -> None:
        self._hooks = hooks
        self._plan = plan
        self._levels = levels
        self._layout = layout
        self._family = family
        self._batch = batch
        self._step = 0
        self._calls = 0
        self._state: Tensor | None = None
        """The scheduler's state of the current step; None before the first one is known."""

    @property
    def final(self) -> Tensor:
        """The final latents ``[B, T, C]``. Raises ``RuntimeError`` when the pipeline made fewer steps than planned."""
        if self._state is None or self._step != len(self._plan.times) - 1:
            raise RuntimeError(f"the pipeline made {self._step} steps, {len(self._plan.times) - 1} were planned")
        return self._layout.to_frames(self._state)

    def start(self, noise: Tensor, noise_scale: float) -> Tensor:
        """Show ``x_t`` of step 0 before the pipeline runs.

        ``noise`` is what the pipeline will be given as its latents, in its layout; it will multiply it by
        ``noise_scale``. Returns what to give it after replacements.
        """
        state = noise * noise_scale
        self._state = self._show_state(state)
        return noise if self._state is state else noise + (self._state - state) / noise_scale

    @contextmanager
    def attached(self, scheduler: Any, denoiser: nn.Module) -> Iterator[None]:
        """Watch the scheduler and the network inside the ``with``."""
        with ExitStack() as stack:
            stack.enter_context(tapped(scheduler, self._before_step, self._after_step))
            if self._family is not None and self._hooks:
                tap = DenoiserTap(denoiser, self._hooks, self._plan.times, self._plan.branches)
                stack.enter_context(tap)
                stack.enter_context(_traceable(denoiser, tap))
                self._watch_calls(denoiser, tap, stack)
            yield

    def _watch_calls(self, denoiser: nn.Module, tap: DenoiserTap, stack: ExitStack) -> None:
        """Tell the tap where each network call belongs, and show what comes out of it."""

        def before(module: nn.Module, args: Any) -> None:
            tap.enter(self._step, self._plan.times[self._step], self._branches_of_call(), self._batch)

        def after(module: nn.Module, args: Any, output: Any) -> Any:
            tap.leave()
            branches = self._branches_of_call()
            self._calls += 1
            return self._show_output(output, branches)

        stack.callback(denoiser.register_forward_pre_hook(before).remove)
        stack.callback(denoiser.register_forward_hook(after).remove)

    def _branches_of_call(self) -> tuple[Branch, ...]:
        """Branches stacked in the network call that is being made."""
        if self._family is None or len(self._plan.branches) == 1:
            return self._plan.branches
        return self._family.order if self._family.calls == 1 else (self._family.order[self._calls],)

    def _show_output(self, output: Any, branches: tuple[Branch, ...]) -> Any:
        """Show the prediction of every branch in a network's output; return it with replacements, None for none."""
        predictions = output if isinstance(output, Tensor) else output[0]
        if len(predictions) != len(branches) * self._batch:
            raise RuntimeError(
                f"the network was run on {len(predictions)} items where {' and '.join(branches)} of {self._batch} were "
                "planned; this pipeline cannot be traced with these settings"
            )
        parts = torch.split(predictions, self._batch)
        shown = [self._show_prediction(part, branch) for part, branch in zip(parts, branches, strict=True)]
        if all(new is old for new, old in zip(shown, parts, strict=True)):
            return None
        replaced = torch.cat(shown)
        if isinstance(output, Tensor):
            return replaced
        if isinstance(output, tuple):
            return (replaced, *output[1:])
        output.sample = replaced
        return output

    def _before_step(self, prediction: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        # The pipeline's own starting state is first seen here when it takes none from outside.
        self._state = self._show_state(sample) if self._state is None else sample
        return self._show_prediction(prediction, None), self._state

    def _after_step(self, sample: Tensor) -> Tensor:
        self._step += 1
        self._calls = 0
        self._state = self._show_state(sample)
        return self._state

    def _show_state(self, state: Tensor) -> Tensor:
        point = HookPoint("x_t", self._step, self._plan.times[self._step])
        if not wanted(self._hooks, point):
            return state
        scale = self._levels[self._step].scale
        shown = self._unified(state, scale)
        edited = emit(self._hooks, point, shown)
        if edited is shown:
            return state
        if scale == 1:
            return _like(state, self._layout.from_frames(edited))
        return _like(state, state + self._layout.from_frames((edited - shown) * scale))

    def _show_prediction(self, prediction: Tensor, branch: Branch | None) -> Tensor:
        t = self._plan.times[self._step]
        points = [HookPoint(name, self._step, t, branch) for name in ("x1_hat", "velocity")]
        if self._state is None or not any(wanted(self._hooks, point) for point in points):
            return prediction
        level = self._levels[self._step]
        velocity = level.velocity_of_m * self._unified(prediction, 1.0)
        if level.velocity_of_x:
            velocity = velocity + level.velocity_of_x * self._unified(self._state, 1.0)
        state = self._unified(self._state, level.scale)
        edited = show_velocity(self._hooks, state, self._step, t, branch, velocity)
        if edited is velocity:
            return prediction
        if not level.known:
            raise RequestError("this run records x_t alone, so nothing but x_t can be changed in it")
        change = self._layout.from_frames((edited - velocity) / level.velocity_of_m)
        return _like(prediction, prediction + change)

    def _unified(self, value: Tensor, scale: float) -> Tensor:
        """Give ``[B, T, C]`` in at least float32, divided by ``scale``."""
        frames = self._layout.to_frames(value)
        frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
        return frames if scale == 1 else frames / scale


@contextmanager
def _traceable(denoiser: nn.Module, tap: DenoiserTap) -> Iterator[None]:
    """Make hooks on inner layers fire in a network that was compiled and run before they came."""
    compiled = tap.modules and getattr(denoiser, "_compiled_call_impl", None) is not None
    if compiled:
        torch._dynamo.reset()
    try:
        yield
    finally:
        if compiled:
            torch._dynamo.reset()


def _like(original: Tensor, value: Tensor) -> Tensor:
    """Copy ``value`` into a tensor with the dtype and memory layout of ``original``, which kernels may depend on."""
    return torch.empty_like(original).copy_(value)
