"""When, where and how strongly an intervention acts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.errors import InputError

At = Literal["guided", "cond", "uncond", "both"]
Shape = Literal["constant", "ramp", "cosine"]
AT: tuple[At, ...] = ("guided", "cond", "uncond", "both")
SHAPES: tuple[Shape, ...] = ("constant", "ramp", "cosine")
_TOLERANCE = 1e-6
"""Times are multiples of 1/S rounded to float32; what a user means by 0.7 is the one nearest to it."""


@dataclass(frozen=True)
class Schedule:
    """Windows of t, steps and frames, a guidance branch, and the course of the strength over the window.

    Update k acts when its t lies in ``t`` and its index in ``steps``. Windows hold their start and not their stop, so
    that windows laid end to end share no step; a ``t`` window that stops at 1 holds that too. A ``t`` window in which
    no update begins, such as ``(t, t)``, means the one update that covers its start.

    Raises ``InputError`` for windows outside 0..1, reversed, or of numbers that are not finite.
    """

    t: tuple[float, float] = (0.0, 1.0)
    """Window of t, 0 = noise, 1 = data."""
    steps: tuple[int, int] | None = None
    """Window of update indices, ``(first, stop)``; None = all."""
    frames_s: tuple[float, float] | None = None
    """Window of the audio in seconds, ``(start, stop)``; every latent frame that it touches. None = all."""
    branch: At = "guided"
    """What of a guided step is edited. ``guided`` (the default) is the value the update uses: an edit D acts as D,
    whatever the guidance. ``cond`` alone acts 1 + guidance_scale times as strongly, ``uncond`` alone -guidance_scale
    times, ``both`` once (in plain classifier-free guidance). Hidden layers have no guided value: there, ``guided``
    means every branch that runs."""
    shape: Shape = "constant"
    """``constant``: 1 all over the window. ``ramp``: rises from 0 to 1 over it. ``cosine``: ``sin(pi u)^2``, from 0 up
    to 1 in the middle and down to 0, u running from 0 to 1 over the window."""

    def __post_init__(self) -> None:
        _check_window("t", self.t, 0.0, 1.0)
        if self.steps is not None:
            _check_window("steps", self.steps, 0, math.inf)
            if not all(isinstance(step, int) for step in self.steps) or self.steps[0] == self.steps[1]:
                raise InputError(f"steps is {self.steps}; give two whole numbers, first < stop")
        if self.frames_s is not None:
            _check_window("frames_s", self.frames_s, 0.0, math.inf)
            if self.frames_s[0] == self.frames_s[1]:
                raise InputError(f"frames_s is {self.frames_s}, which holds no time; give start < stop")
        if self.branch not in AT:
            raise InputError(f"unknown branch {self.branch!r}. Known: {', '.join(AT)}")
        if self.shape not in SHAPES:
            raise InputError(f"unknown shape {self.shape!r}. Known: {', '.join(SHAPES)}")

    def strength(self, step: int, t: float) -> float:
        """Return how strongly update ``step`` at time ``t`` is edited, 0 to 1; 0 outside the windows."""
        if not self._covers(step, t):
            return 0.0
        u = self._position(step, t)
        return {"constant": 1.0, "ramp": u, "cosine": math.sin(math.pi * u) ** 2}[self.shape]

    def strengths(self, times: Sequence[float]) -> tuple[float, ...]:
        """Return the strength of every update along ``times`` (S + 1 of them), whatever the width of the window."""
        start, stop = self.t
        if any(_between(start, t, stop) for t in times[:-1]):
            return tuple(self.strength(step, t) for step, t in enumerate(times[:-1]))
        covering = max((step for step, t in enumerate(times[:-1]) if t <= start + _TOLERANCE), default=0)
        inside = self.steps is None or self.steps[0] <= covering < self.steps[1]
        return tuple(float(inside and step == covering) for step in range(len(times) - 1))

    def frame_mask(self, frames: int, frame_rate_hz: float) -> Tensor | None:
        """Mark the latent frames that are edited, ``[T]`` bool; None means all.

        Raises ``InputError`` when the window begins or ends after the audio.
        """
        if self.frames_s is None:
            return None
        start, stop = self.frames_s
        duration_s = frames / frame_rate_hz
        if stop > duration_s + 1e-6:
            raise InputError(f"frames {start:g}s-{stop:g}s end after the audio; give 0 to {duration_s:.3g} s")
        index = torch.arange(frames, dtype=torch.float64)
        return (index + 1 > start * frame_rate_hz + 1e-6) & (index < stop * frame_rate_hz - 1e-6)

    def _covers(self, step: int, t: float) -> bool:
        start, stop = self.t
        within = _between(start, t, stop) or (abs(t - stop) <= _TOLERANCE and stop in (start, 1.0))
        return within and (self.steps is None or self.steps[0] <= step < self.steps[1])

    def _position(self, step: int, t: float) -> float:
        """Place in the window: by step where steps are given (the middle of each), by t otherwise."""
        if self.steps is not None:
            return (step - self.steps[0] + 0.5) / (self.steps[1] - self.steps[0])
        start, stop = self.t
        return max(0.0, t - start) / (stop - start) if stop > start else 1.0


def _between(start: float, t: float, stop: float) -> bool:
    return start - _TOLERANCE <= t < stop - _TOLERANCE


def _check_window(name: str, window: tuple[float, float], low: float, high: float) -> None:
    if len(window) != 2 or not all(math.isfinite(edge) for edge in window):
        raise InputError(f"{name} is {window}; give two finite numbers")
    if not low <= window[0] <= window[1] <= high:
        allowed = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        raise InputError(f"{name} is {window[0]:g} to {window[1]:g}; give start <= stop, both {allowed}")
