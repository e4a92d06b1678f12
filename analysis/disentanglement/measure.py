"""The scores of one representation.

Importance is that of Eastwood and Williams (2018, "A framework for the quantitative evaluation of disentangled
representations"), with lasso weights. Completeness of a factor is 1 - entropy of its importances over the D numbers of
the representation; modularity (their "disentanglement") is 1 - entropy of a number's importances over the K factors,
averaged with the numbers' total importance. Informativeness is R2 on held-out rows. The gap (MIG, Chen et al. 2018,
arXiv 1802.04942) is the difference of the two largest mutual informations with a factor, over the factor's entropy.

Entropies are divided by a logarithm to lie in 0..1. With log D, as published, a wider representation scores higher for
the same spread: give both the same ``base``, or compare ``spread``, which needs none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.disentanglement.entropy import FloatArray, entropy, mutual_information
from analysis.disentanglement.importance import importance

FEWEST_ROWS = 8
"""Rows that a split needs for a regression to mean anything."""


@dataclass(frozen=True)
class Disentanglement:
    """Scores of one representation of D numbers for K factors. NaN where nothing of a factor could be read."""

    factors: tuple[str, ...]
    importance: FloatArray
    """``[D, K]``, not negative."""
    completeness: FloatArray
    """``[K]``: 1 where one number holds the factor, 0 where ``base`` numbers share it evenly."""
    spread: FloatArray
    """``[K]``: over how many numbers the factor is spread, exp(entropy)."""
    modularity: float
    """1 where each number is about one factor, 0 where about all alike."""
    informativeness: FloatArray
    """``[K]``: R2 on held-out rows."""
    gap: FloatArray
    """``[K]``: mutual-information gap."""

    def to_json(self) -> dict[str, Any]:
        """Return everything but the importances as JSON-ready values; None where undefined."""
        columns = ("completeness", "spread", "informativeness", "gap")
        return {
            "modularity": _number(self.modularity),
            "factors": {
                name: {column: _number(getattr(self, column)[index]) for column in columns}
                for index, name in enumerate(self.factors)
            },
        }


def measure(
    features: NDArray[Any],
    factors: NDArray[Any],
    names: Sequence[str],
    split: NDArray[np.str_],
    *,
    base: int | None = None,
) -> Disentanglement:
    """Score a representation.

    Parameters
    ----------
    features
        ``[N, D]``: one row a clip.
    factors
        ``[N, K]`` measured on the clips; rows with a NaN are left out, for all factors.
    names
        Of the K factors.
    split
        ``[N]``: ``test`` is scored, all else is fitted on.
    base
        Width that completeness is normalised by; D when None. It must not be smaller than D.

    Raises
    ------
    ValueError
        For arrays that do not fit each other, too few rows, or too small a base.
    """
    x, y = np.asarray(features, np.float64), np.asarray(factors, np.float64)
    if x.ndim != 2 or y.ndim != 2 or not len(x) == len(y) == len(split) or y.shape[1] != len(names):
        raise ValueError(
            f"features [N, D], factors [N, K], K names and a split [N] are needed; got {x.shape}, {y.shape}, "
            f"{len(names)}, {len(split)}"
        )
    width = base or x.shape[1]
    if width < x.shape[1]:
        raise ValueError(f"base {width} is smaller than the representation, which has {x.shape[1]} numbers")
    known = np.isfinite(y).all(axis=1)
    x, y, test = x[known], y[known], split[known] == "test"
    if min(test.sum(), (~test).sum()) < FEWEST_ROWS:
        raise ValueError(
            f"at least {FEWEST_ROWS} clips with all factors are needed in the test split and outside it; got "
            f"{test.sum()} and {(~test).sum()}: add files"
        )
    fitted = [importance(x, column, ~test, test) for column in y.T]
    weights = np.stack([each for each, _ in fitted], axis=1)
    over_numbers = entropy(weights, 0)
    information, own = mutual_information(x, y)
    return Disentanglement(
        factors=tuple(names),
        importance=weights,
        completeness=1 - over_numbers / max(math.log(width), 1e-12),
        spread=np.exp(over_numbers),
        modularity=_modularity(weights),
        informativeness=np.array([r2 for _, r2 in fitted]),
        gap=_gap(information, own),
    )


def _modularity(weights: FloatArray) -> float:
    """Mean over the numbers of 1 - entropy over factors, weighted by their importance."""
    used = weights.sum(axis=1)
    if not used.any() or weights.shape[1] < 2:
        return float("nan")
    scores = 1 - entropy(weights, 1) / math.log(weights.shape[1])
    return float(np.nansum(scores * used) / used.sum())


def _gap(information: FloatArray, own: FloatArray) -> FloatArray:
    """Difference of the two largest of ``information [D, K]`` with each factor, over its entropy ``own [K]``."""
    if len(information) < 2:
        return np.full(len(own), np.nan)
    second, first = np.sort(information, axis=0)[-2:]
    return np.asarray((first - second) / np.where(own > 0, own, np.nan))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
