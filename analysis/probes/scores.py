"""How well a probe reads its property: one table row, every figure with an interval over files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from analysis.bootstrap import FloatArray, Interval, bootstrap
from analysis.probes.calibration import calibration_gaps

OFF_BY = (1, 2, 3)
CONFIDENCE_BINS = 15


@dataclass(frozen=True)
class ClassScore:
    """Scores of a classifier on labelled frames."""

    frames: int
    """Labelled frames that were scored."""
    groups: int
    """Files or runs they come from."""
    accuracy: Interval
    """Share of frames whose likeliest class is the true one."""
    balanced_accuracy: Interval
    """Mean over the classes that occur of the share decoded right."""
    off_by_1: Interval
    """Share of frames decoded at most 1 bin off."""
    off_by_2: Interval
    """Share of frames decoded at most 2 bins off."""
    off_by_3: Interval
    """Share of frames decoded at most 3 bins off."""
    error_bins: Interval
    """Mean distance between decoded and true class, in bins."""
    calibration_error: Interval
    """Expected calibration error over 15 confidence bins."""
    cross_entropy: Interval
    """Mean negative log probability of the true class, in nats; probabilities are floored at 1e-12."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-ready values."""
        return _to_json(self)


@dataclass(frozen=True)
class ValueScore:
    """Scores of a regression on labelled frames."""

    frames: int
    """Labelled frames that were scored."""
    groups: int
    """Files or runs they come from."""
    r2: Interval
    """1 - squared error / variance of the targets."""
    error: Interval
    """Mean absolute error, in the property's unit."""
    within: Interval
    """Share of frames within the property's tolerance."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-ready values."""
        return _to_json(self)


def score_classes(probabilities: np.ndarray, target: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> ClassScore:
    """Score ``probabilities`` ``[N, K]`` against classes ``target`` ``[N]``; ``groups`` ``[N]`` are resampled."""
    if not len(target) == len(probabilities) == len(groups) or not len(target):
        raise ValueError(
            f"scores need at least one labelled frame and one group per frame; got {len(probabilities)} predictions, "
            f"{len(target)} labels, {len(groups)} groups"
        )
    n_classes = probabilities.shape[1]
    truth = np.eye(n_classes)[target]
    predicted = probabilities.argmax(axis=1)
    distance = np.abs(predicted - target)
    nats = -np.log(np.maximum(probabilities[np.arange(len(target)), target], 1e-12))
    columns = [
        np.ones(len(target)),
        distance == 0,
        *(distance <= n for n in OFF_BY),
        distance,
        nats,
        *calibration_gaps(probabilities, target, CONFIDENCE_BINS).T,
        *truth.T,
        *(truth * (distance == 0)[:, None]).T,
    ]

    def statistic(sums: FloatArray) -> FloatArray:
        means = sums / sums[..., :1]
        gaps, counts, hits = np.split(means[..., 7:], [CONFIDENCE_BINS, CONFIDENCE_BINS + n_classes], axis=-1)
        occurs = counts > 0
        recall = np.divide(hits, counts, out=np.zeros_like(hits), where=occurs)
        balanced = recall.sum(-1) / occurs.sum(-1)
        return np.stack(
            [means[..., 1], balanced, *np.moveaxis(means[..., 2:6], -1, 0), np.abs(gaps).sum(-1), means[..., 6]], -1
        )

    measured = bootstrap(np.stack(columns, axis=1), groups, statistic, seed=seed)
    return ClassScore(len(target), len(np.unique(groups)), *(measured[i] for i in range(8)))


def score_values(
    predicted: np.ndarray, values: np.ndarray, groups: np.ndarray, *, tolerance: float, seed: int = 0
) -> ValueScore:
    """Score predictions ``[N]`` against ``values`` ``[N]`` in one unit; ``groups`` ``[N]`` are resampled."""
    if not len(values) == len(predicted) == len(groups) or not len(values):
        raise ValueError(f"scores need labelled frames; got {len(predicted)} predictions and {len(values)} values")
    miss = np.abs(predicted - values)
    centred = values - values.mean()
    columns = [np.ones(len(values)), miss**2, centred, centred**2, miss, miss <= tolerance]

    def statistic(sums: FloatArray) -> FloatArray:
        means = sums / sums[..., :1]
        variance = means[..., 3] - means[..., 2] ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = 1 - means[..., 1] / variance
        return np.stack([r2, means[..., 4], means[..., 5]], -1)

    measured = bootstrap(np.stack(columns, axis=1), groups, statistic, seed=seed)
    return ValueScore(len(values), len(np.unique(groups)), *(measured[i] for i in range(3)))


def _to_json(score: ClassScore | ValueScore) -> dict[str, Any]:
    parts = {field.name: getattr(score, field.name) for field in fields(score)}
    return {name: part.to_json() if isinstance(part, Interval) else part for name, part in parts.items()}
