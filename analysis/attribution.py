"""Which SAE features carry which class of a property: one feature at a time, all features at once.

E stored entries, N frames, F features, K classes. Work and memory are proportional to E + F * K.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.probes.features import Entries, Features
from analysis.probes.linear import class_counts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Attribution:
    """How each feature relates to each class. Classes without examples hold NaN."""

    mean: FloatArray
    """``[F, K]`` mean value of the feature over the frames of the class."""
    firing: FloatArray
    """``[F, K]`` share of the class's frames in which the feature is not zero."""
    auc: FloatArray
    """``[F, K]`` probability that the feature is larger in a frame of the class than in one of another, ties half."""
    f1: FloatArray
    """``[F, K]`` F1 score of "the feature is at least theta" as a detector of the class, at its best theta."""
    theta: FloatArray
    """``[F, K]`` that threshold; infinite where the feature never fires in the class."""
    counts: npt.NDArray[np.int64]
    """``[K]`` frames of each class."""

    def best(self, class_index: int, count: int = 5) -> list[dict[str, Any]]:
        """Return the ``count`` features with the highest F1 for a class, as JSON-ready rows, best first."""
        if not self.counts[class_index]:
            return []
        ranked = np.argsort(-self.f1[:, class_index], kind="stable")[:count]
        parts = {"f1": self.f1, "auc": self.auc, "theta": self.theta, "mean": self.mean, "firing": self.firing}
        return [
            {"feature": int(feature), **{name: float(part[feature, class_index]) for name, part in parts.items()}}
            for feature in ranked
            if np.isfinite(self.theta[feature, class_index])
        ]


def attribute(features: Features, target: np.ndarray, n_classes: int) -> Attribution:
    """Relate every feature to every class over labelled frames.

    Parameters
    ----------
    features
        N frames. Sparse codes must not be negative: what they do not list counts as 0, the lowest value.
    target
        ``[N]`` classes in ``0..n_classes - 1``.

    Raises
    ------
    ValueError
        If a class is out of range, or a sparse code holds negative values.
    """
    counts = class_counts(target, n_classes, features.frames)
    entries = features.entries()
    listed = np.bincount(entries.feature, minlength=features.d_features)
    if (listed < features.frames).any() and entries.value.size and entries.value.min() < 0:
        raise ValueError("sparse codes hold negative values, so zero is not their lowest; give dense features instead")
    cell = entries.feature * n_classes + target[entries.frame]
    size = features.d_features * n_classes

    def per_cell(weights: np.ndarray | None = None) -> FloatArray:
        return np.bincount(cell, weights, size).reshape(-1, n_classes).astype(np.float64)

    hits = per_cell()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = per_cell(entries.value.astype(np.float64)) / counts
        firing = per_cell((entries.value != 0).astype(np.float64)) / counts
        auc = _auc(per_cell(_ranks(entries, listed, features.frames)), hits, listed, counts)
    f1, theta = _best_f1(entries, cell, counts, n_classes, features.d_features)
    return Attribution(mean, firing, auc, f1, theta, counts)


def _ranks(entries: Entries, listed: np.ndarray, frames: int) -> FloatArray:
    """Rank ``[E]`` of each entry's value among all N values of its feature, from 1 up, ties sharing their mean."""
    order = np.lexsort((entries.value, entries.feature))
    feature, value = entries.feature[order], entries.value[order]
    first = np.concatenate([[0], listed.cumsum()[:-1]])
    place = np.arange(len(order)) - first[feature] + (frames - listed)[feature] + 1.0
    ties = _runs(feature, value)
    starts = np.flatnonzero(np.diff(ties, prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    ranks = np.empty(len(order))
    ranks[order] = ((place[starts] + place[ends]) / 2)[ties]
    return ranks


def _auc(rank_sums: FloatArray, hits: FloatArray, listed: np.ndarray, counts: np.ndarray) -> FloatArray:
    """Mann-Whitney statistic ``[F, K]``; frames that list no value share the mean of the lowest ranks."""
    frames = counts.sum()
    unlisted_rank = (frames - listed[:, None] + 1) / 2
    total = rank_sums + (counts - hits) * unlisted_rank
    return np.asarray((total - counts * (counts + 1) / 2) / (counts * (frames - counts)))


def _best_f1(
    entries: Entries, cell: np.ndarray, counts: np.ndarray, n_classes: int, d_features: int
) -> tuple[FloatArray, FloatArray]:
    """Best F1 and its threshold, ``[F, K]`` each.

    The best threshold is always the value of some frame of the class, so only those are tried: one per entry.
    """
    order = np.lexsort((-entries.value, entries.feature))
    feature, value = entries.feature[order], entries.value[order]
    start = np.searchsorted(feature, np.arange(d_features))
    ties = _runs(feature, value)
    last_of_tie = np.append(np.flatnonzero(np.diff(ties)), len(order) - 1)[ties]
    called = last_of_tie - start[feature] + 1  # frames at or above this entry's value

    by_cell = np.argsort(cell[order], kind="stable")  # inside a cell, values still descend
    cells, called, value = cell[order][by_cell], called[by_cell], value[by_cell]
    begins = np.searchsorted(cells, np.arange(d_features * n_classes))
    right = np.arange(len(cells)) - begins[cells] + 1
    f1 = 2 * right / (called + counts[cells % n_classes])

    best = np.zeros(d_features * n_classes)
    np.maximum.at(best, cells, f1)
    theta = np.full(d_features * n_classes, np.inf)
    winners = np.flatnonzero(f1 == best[cells])[::-1]  # the highest threshold is written last
    theta[cells[winners]] = value[winners]
    table = best.reshape(-1, n_classes)
    table[:, counts == 0] = np.nan
    return table, theta.reshape(-1, n_classes)


def _runs(feature: np.ndarray, value: np.ndarray) -> npt.NDArray[np.int64]:
    """Return the number ``[E]`` of the run of equal (feature, value) that each sorted entry belongs to."""
    changes = (np.diff(feature, prepend=-1) != 0) | (np.diff(value, prepend=np.nan) != 0)
    return np.asarray(changes.cumsum() - 1)
