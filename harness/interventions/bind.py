"""Interventions become hooks: everything is checked first, then each edits its values and keeps account of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from generators.base import GenerationRequest, Generator, HookPoint, SamplingPlan
from generators.requests import resolve_batch
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.interventions.base import TINY, Intervention, Moment
from harness.interventions.site import Site
from harness.registry import unknown


class BoundIntervention:
    """One intervention as a ``StepHook`` of one generation at a time; a new generation starts it anew."""

    def __init__(self, intervention: Intervention, site: Site) -> None:
        self.intervention = intervention
        self.wanted_modules = (intervention.at,)
        self.record: dict[int, Tensor] = {}
        """Step -> ``[B]``: norm of the edit over frames and channels, relative to that of what was edited."""
        self._site = site
        self._edit = intervention.prepare(site)
        self._strengths = _strengths(intervention, site.plan)
        self._branches = _branches(intervention, site.plan)
        self._mask = intervention.schedule.frame_mask(site.plan.frames, site.generator.codec.frame_rate_hz)
        self._squares: dict[int, tuple[Tensor, Tensor]] = {}

    def wants(self, point: HookPoint) -> bool:
        """Want the hook point and branches of the schedule where its strength is not 0, and each generation's start."""
        return _starts(point) or self._acts(point)

    def _acts(self, point: HookPoint) -> bool:
        if point.name != self.intervention.at or point.branch not in self._branches:
            return False
        return self._strength(point) != 0

    def __call__(self, point: HookPoint, value: Tensor) -> Tensor | None:
        """Edit ``value`` and note by how much."""
        if _starts(point) and self.record:
            self._restart()
        if not self._acts(point):
            return None
        before = value.float()
        edited = self.intervention.apply(self._edit, before, Moment(point, self._strength(point))).to(value.dtype)
        if self._mask is not None:
            edited = torch.where(self._frames(value), edited, value)
        self._note(point.step, before, edited.float() - before)
        return edited

    def _restart(self) -> None:
        """Forget the generation before this one."""
        self.record.clear()
        self._squares.clear()
        self._edit = self.intervention.prepare(self._site)

    def _strength(self, point: HookPoint) -> float:
        return self._strengths[point.step] if point.step < len(self._strengths) else 0.0

    def _frames(self, value: Tensor) -> Tensor:
        """Shape the frame mask for ``value``."""
        mask = self._mask
        if mask is None or value.ndim < 2 or value.shape[1] != len(mask):
            raise InputError(
                f"{self.intervention.at} has shape {tuple(value.shape)}, whose second axis is not the "
                f"{self._site.plan.frames} latent frames; leave frames out"
            )
        return mask.to(value.device).reshape(1, -1, *[1] * (value.ndim - 2))

    def _note(self, step: int, before: Tensor, change: Tensor) -> None:
        """Add to the step's account; the branches of one step count together."""
        edit, whole = change.flatten(1).square().sum(1), before.flatten(1).square().sum(1)
        if step in self._squares:
            edit, whole = edit + self._squares[step][0], whole + self._squares[step][1]
        self._squares[step] = edit, whole
        self.record[step] = (edit / whole.clamp_min(TINY)).sqrt()


def _starts(point: HookPoint) -> bool:
    """Whether this is the first thing a generator shows."""
    return point.name == "x_t" and point.step == 0


def bind(
    interventions: Iterable[Intervention],
    generator: Generator,
    requests: SamplingPlan | GenerationRequest | Sequence[GenerationRequest],
    artifacts: Artifacts | None = None,
) -> list[BoundIntervention]:
    """Check interventions against what is about to run and return them as hooks, in their order.

    Parameters
    ----------
    requests
        What will run as one batch, or its plan.
    artifacts
        SAE and probes; None means those shipped for the codec, looked up when they are needed.

    Raises
    ------
    InputError, SourceError, RequestError
        Before anything runs: for a property, feature, hook point, window, frame range, branch or target that cannot be
        used here, naming what is allowed.
    """
    chosen = list(interventions)
    for item in chosen:
        if not isinstance(item, Intervention):
            raise InputError(f"{item!r} is not an intervention; give Scale, SetProperty, ... or a class of your own")
    batch = None
    if not isinstance(requests, SamplingPlan):
        together = [requests] if isinstance(requests, GenerationRequest) else list(requests)
        batch = len(together)
        _, requests = resolve_batch(generator, together)
    site = Site(generator, requests, batch, artifacts)
    for item in chosen:
        if item.at not in generator.hook_points():
            raise InputError(unknown("hook point", item.at, list(generator.hook_points())))
    return [BoundIntervention(item, site) for item in chosen]


def _strengths(intervention: Intervention, plan: SamplingPlan) -> tuple[float, ...]:
    """Strength at every update. Raises ``InputError`` for steps there are not, or a window no update lies in."""
    schedule, steps = intervention.schedule, len(plan.times) - 1
    if schedule.steps is not None and schedule.steps[1] > steps:
        raise InputError(f"steps {schedule.steps[0]} to {schedule.steps[1]} go beyond the {steps} updates of this run")
    factors = schedule.strengths(plan.times)
    if not any(factors):
        raise InputError(
            f"no update lies in the window t {schedule.t[0]:g}-{schedule.t[1]:g}"
            + (f", steps {schedule.steps[0]}-{schedule.steps[1]}" if schedule.steps else "")
            + f"; the {steps} updates are at t {plan.times[0]:g}, {plan.times[1]:.3g}, ..., {plan.times[-2]:.3g}"
        )
    return tuple(intervention.strength * factor for factor in factors)


def _branches(intervention: Intervention, plan: SamplingPlan) -> frozenset[str | None]:
    """Branches of the hook points to edit; None stands for the guided value."""
    branch, at = intervention.schedule.branch, intervention.at
    if at == "x_t":
        if branch != "guided":
            raise InputError(f"x_t is shared by all branches; branch {branch!r} means nothing there, leave it out")
        return frozenset([None])
    if branch == "guided" and at in ("x1_hat", "velocity"):
        return frozenset([None])
    if branch in ("guided", "both"):
        return frozenset(plan.branches)
    if branch not in plan.branches:
        raise InputError(
            f"branch {branch!r} does not run without guidance; the branches are {', '.join(plan.branches)}"
        )
    return frozenset([branch])
