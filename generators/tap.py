"""Carrying tensors to hooks: one function for the sampler's own points, one context manager for hidden states."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from generators.base import Branch, HookPoint, ModuleHook, StepHook


def wanted(hooks: Sequence[StepHook], point: HookPoint) -> bool:
    """Say whether any hook wants ``point``."""
    return any(hook.wants(point) for hook in hooks)


def emit(hooks: Sequence[StepHook], point: HookPoint, value: Tensor) -> Tensor:
    """Show ``value`` to every hook that wants ``point``, in order; each sees what the one before it left.

    Returns ``value`` itself (the same object) when no hook replaced it. Raises ``ValueError`` when a hook returns
    something that is not a tensor of the same shape.
    """
    for hook in hooks:
        if not hook.wants(point):
            continue
        replacement = hook(point, value)
        if replacement is None:
            continue
        if not isinstance(replacement, Tensor) or replacement.shape != value.shape:
            given = tuple(replacement.shape) if isinstance(replacement, Tensor) else type(replacement).__name__
            raise ValueError(
                f"hook {type(hook).__name__} returned {given} at {point.name} step {point.step}; "
                f"return None or a tensor of shape {tuple(value.shape)}"
            )
        value = replacement.to(dtype=value.dtype, device=value.device)
    return value


def _candidates(hook: StepHook, modules: Collection[str]) -> Collection[str]:
    """Modules to ask ``hook`` about."""
    return set(modules).intersection(hook.wanted_modules) if isinstance(hook, ModuleHook) else modules


class DenoiserTap:
    """Forward hooks on the denoiser's modules for as long as a ``with`` lasts.

    The sampler says which step and branches a network call belongs to (``at``), so nothing is guessed from call order.
    Modules no hook wants are left alone. On exit, also by an exception, every torch hook is removed.

    Only outputs with the stacked batch as their first dimension are shown. Position tables and the like, which belong
    to no branch, are not.
    """

    def __init__(
        self, denoiser: nn.Module, hooks: Sequence[StepHook], times: Sequence[float], branches: Sequence[Branch]
    ) -> None:
        self._hooks = hooks
        modules = {name: module for name, module in denoiser.named_modules() if name}
        points = [(k, t, b) for k, t in enumerate(times[:-1]) for b in branches]
        chosen = {
            name
            for hook in hooks
            for name in _candidates(hook, modules)
            if any(hook.wants(HookPoint(name, k, t, b)) for k, t, b in points)
        }
        self._modules = {name: module for name, module in modules.items() if name in chosen}
        self._handles: list[Any] = []
        self._position: tuple[int, float, tuple[Branch, ...], int] | None = None

    @property
    def modules(self) -> tuple[str, ...]:
        """Paths of the modules that some hook wants."""
        return tuple(self._modules)

    def __enter__(self) -> Self:
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_hook(self._forward_hook(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    @contextmanager
    def at(self, step: int, t: float, branches: tuple[Branch, ...], batch: int) -> Iterator[None]:
        """Mark network calls inside as belonging to ``step``.

        They run on ``batch`` items per branch, stacked branch by branch in this order.
        """
        self.enter(step, t, branches, batch)
        try:
            yield
        finally:
            self.leave()

    def enter(self, step: int, t: float, branches: tuple[Branch, ...], batch: int) -> None:
        """Begin what ``at`` marks, where calls are made by code that is not ours; ``leave`` ends it."""
        self._position = (step, t, branches, batch)

    def leave(self) -> None:
        """End what ``enter`` began."""
        self._position = None

    def _forward_hook(self, name: str) -> Any:
        def forward_hook(module: nn.Module, args: Any, output: Any) -> Any:
            if self._position is None or not isinstance(output, Tensor):
                return None
            step, t, branches, batch = self._position
            if output.shape[:1] != (len(branches) * batch,):
                return None
            parts = torch.split(output, batch)
            shown = [
                emit(self._hooks, HookPoint(name, step, t, branch), part)
                for branch, part in zip(branches, parts, strict=True)
            ]
            if all(new is old for new, old in zip(shown, parts, strict=True)):
                return None
            return torch.cat(shown)

        return forward_hook
