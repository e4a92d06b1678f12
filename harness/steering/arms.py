"""The arms of an experiment: which edits are measured, at which doses, and against which control."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from analysis.steering import JUDGED, Comparison, LatentDistribution, Target, compare
from harness.interventions.base import Intervention
from harness.interventions.random_direction import RandomDirection
from harness.interventions.set_property import SetProperty
from harness.steering.outcome import Outcome, Window

CONTROL_SEED = 0


def target_of(interventions: Sequence[Intervention]) -> Target | None:
    """Return what the first set-property among them asks for, where that is measured; None otherwise."""
    for item in interventions:
        if isinstance(item, SetProperty) and item.property in JUDGED:
            return Target(item.property, change=item.change, to=item.to)
    return None


def window_of(interventions: Sequence[Intervention]) -> Window | None:
    """Return the stretch of the audio to measure: the one they all act in, or all of it where they differ."""
    windows = {item.schedule.frames_s for item in interventions}
    return windows.pop() if len(windows) == 1 else None


def dosed(interventions: Sequence[Intervention], dose: float) -> tuple[Intervention, ...]:
    """Multiply every wanted change by ``dose``; of edits without one (a value to set to, features), the strength."""
    return tuple(
        dataclasses.replace(item, change=item.change * dose)
        if isinstance(item, SetProperty) and item.change is not None
        else dataclasses.replace(item, strength=item.strength * dose)
        for item in interventions
    )


def dosed_target(target: Target | None, dose: float) -> Target | None:
    """Return what a dose of an edit should reach; a value to set to is the same at every dose."""
    return target if target is None or target.change is None else Target(target.property, change=target.change * dose)


def control_of(interventions: Sequence[Intervention], steered: Sequence[Outcome]) -> tuple[Intervention, ...]:
    """Return random edits, each in a direction of its own, of the size that each intervention had on average."""
    sizes = np.mean([outcome.relative_norms for outcome in steered], axis=0)
    return tuple(
        RandomDirection(item, seed=CONTROL_SEED + index, relative_norms=tuple(sizes[:, index].tolist()))
        for index, item in enumerate(interventions)
    )


def compare_all(
    baselines: Sequence[Outcome],
    others: Sequence[Outcome],
    target: Target | None,
    natural: LatentDistribution,
) -> list[Comparison]:
    """Pair every outcome with the baseline of its prompt and seed."""
    by_run = {outcome.run: outcome for outcome in baselines}
    return [
        compare(
            other.run,
            by_run[other.run].measures,
            other.measures,
            target,
            latent_distance=natural.distance(other.latents),
        )
        for other in others
    ]


def natural_latents(baselines: Sequence[Outcome]) -> LatentDistribution:
    """Fit what unsteered final latents are like."""
    return LatentDistribution.of(np.concatenate([outcome.latents for outcome in baselines]))
