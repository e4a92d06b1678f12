"""Entropies behind the scores: of importances, and of binned values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BINS = 20
"""Quantile bins of a value; equal values, such as a feature's zeros, stay in one bin."""


def entropy(weights: FloatArray, axis: int) -> FloatArray:
    """Entropy in nats of non-negative weights as shares along ``axis``; NaN where all are 0."""
    total = weights.sum(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = weights / total
        terms = np.where(shares > 0, -shares * np.log(shares), 0.0)
    return np.asarray(np.where(total.squeeze(axis) > 0, terms.sum(axis=axis), np.nan))


def binned(values: FloatArray) -> NDArray[np.int64]:
    """Sort values ``[N]`` into at most ``BINS`` quantile bins."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, values, side="right"), np.int64)


def mutual_information(features: FloatArray, factor: FloatArray) -> tuple[FloatArray, float]:
    """Mutual information in nats between each of ``features [N, D]`` and ``factor [N]``, and the factor's entropy.

    The plug-in estimate on ``BINS`` bins: biased upwards by about ``BINS^2 / 2N``, for every feature alike.
    """
    classes = binned(factor)
    own = float(entropy(np.bincount(classes).astype(np.float64), 0))
    found = np.zeros(features.shape[1])
    for index, column in enumerate(features.T):
        joint = np.bincount(binned(column) * (BINS + 1) + classes, minlength=(BINS + 1) ** 2)
        table = joint.reshape(BINS + 1, BINS + 1).astype(np.float64)
        parts = (table.sum(0), table.sum(1), table.ravel())
        factor_h, feature_h, joint_h = (float(entropy(part, 0)) for part in parts)
        found[index] = max(factor_h + feature_h - joint_h, 0.0)
    return found, own
