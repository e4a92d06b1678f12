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
    """Sort each column of ``values [N, D]`` into at most ``BINS`` quantile bins, numbered from 0."""
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], axis=0)
    columns = [np.searchsorted(edge, column, side="right") for edge, column in zip(edges.T, values.T, strict=True)]
    return np.stack(columns, axis=1).astype(np.int64)


def mutual_information(features: FloatArray, factors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mutual information ``[D, K]`` in nats of ``features [N, D]`` with ``factors [N, K]``, and the factors' entropies.

    The plug-in estimate on ``BINS`` bins: biased upwards by about ``BINS^2 / 2N``, for every feature alike.
    """
    classes = binned(factors)
    count, square = classes.shape[1], BINS * BINS
    places = classes + square * np.arange(count)
    own = entropy(np.bincount(places.ravel(), minlength=count * square).reshape(count, square).astype(np.float64), 1)
    found = np.zeros((features.shape[1], count))
    for index, column in enumerate(binned(features).T):
        joint = np.bincount((BINS * column[:, None] + places).ravel(), minlength=count * square)
        tables = joint.reshape(count, BINS, BINS).astype(np.float64)
        apart = entropy(tables.sum(2), 1) + entropy(tables.sum(1), 1)
        found[index] = np.maximum(apart - entropy(tables.reshape(count, square), 1), 0.0)
    return found, own
