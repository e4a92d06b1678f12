"""The formulas of emergence, one function each; docs/methods.md derives them. S states, T frames, K classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.bootstrap import FloatArray

FRAGILE_CHANGE = 0.01
"""A class whose probability changes by less between first and last state makes the published metric unstable."""


def js_distance(p: npt.NDArray[Any], q: npt.NDArray[Any]) -> FloatArray:
    """Jensen-Shannon distance between distributions over the last axis: 0 equal, 1 disjoint (base 2).

    The square root of the divergence, a metric (Endres & Schindelin 2003); finite whatever has probability 0.
    """
    middle = (p + q) / 2
    divergence = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0, 1)), dtype=np.float64)


def paek_progress(mean_probabilities: npt.NDArray[Any]) -> FloatArray:
    """Return the published metric, ``[..., S]``, of class probabilities averaged over frames, ``[..., S, K]``.

    Mean over classes of ``|p_t - p_0| / |p_T - p_0|`` (Paek et al., arXiv 2510.23802). Classes with ``p_T == p_0``,
    for which it is undefined, are left out; NaN where none is left. See ``fragile_share`` for how far to trust it.
    """
    change = np.abs(mean_probabilities - mean_probabilities[..., :1, :])
    total = change[..., -1:, :]
    moves = total > 0
    ratios = np.divide(change, total, out=np.zeros_like(change), where=moves)
    count = moves.sum(axis=-1)
    return np.asarray(np.divide(ratios.sum(axis=-1), count, out=np.full(ratios.shape[:-1], np.nan), where=count > 0))


def fragile_share(mean_probabilities: npt.NDArray[Any]) -> float:
    """Share of classes of ``[S, K]`` whose whole change ``|p_T - p_0|`` is below 0.01: a ratio of noise to noise."""
    return float((np.abs(mean_probabilities[-1] - mean_probabilities[0]) < FRAGILE_CHANGE).mean())


def commit_steps(within: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """First state from which each frame stays within tolerance, ``[T]``, from ``within`` ``[S, T]``; last row true."""
    leaves = ~within[::-1]
    last_outside = len(within) - 1 - leaves.argmax(axis=0)
    return np.where(leaves.any(axis=0), last_outside + 1, 0)


def crossing_time(t: FloatArray, curve: FloatArray, level: float) -> FloatArray:
    """Time from which a curve stays at or above ``level``, linear between states, ``[...]`` from ``[..., S]``.

    ``t[0]`` if it is never below, infinite if the last value is below, NaN if the curve holds NaN.
    """
    below = curve < level
    last = below.shape[-1] - 1 - below[..., ::-1].argmax(axis=-1)
    before = np.minimum(last, below.shape[-1] - 2)[..., None]
    low, high = (np.take_along_axis(curve, before + offset, axis=-1)[..., 0] for offset in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (level - low) / (high - low)
    start = t[before[..., 0]]
    crossed = start + share * (t[before[..., 0] + 1] - start)
    found = np.where(below[..., -1], np.inf, np.where(below.any(axis=-1), crossed, t[0]))
    return np.where(np.isnan(curve).any(axis=-1), np.nan, found)


def _entropy(p: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Entropy in bits over the last axis."""
    return np.asarray(-(p * np.log2(np.where(p > 0, p, 1))).sum(axis=-1))
