"""Dose and response: whether more of an edit does more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from analysis.bootstrap import FloatArray, Interval, bootstrap

SATURATED = 0.25
"""Share of its initial slope below which a response has levelled off."""


@dataclass(frozen=True)
class DoseResponse:
    """Changes of one property over doses. Shape letters: K doses, R runs."""

    doses: FloatArray
    """``[K]`` ascending; 0, if given, must answer with no change."""
    response: Interval
    """``[K]`` mean change over runs."""
    spearman: Interval
    """Scalar: rank correlation of dose and change over all runs and doses."""
    slope: Interval
    """Scalar: least squares change per unit of dose."""
    monotone: Interval
    """Scalar: share of runs whose change rises (or falls) with every dose."""
    saturation: float | None
    """Dose, counted from 0, beyond which the mean response gains less than ``SATURATED`` of its initial slope."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-ready values."""
        parts = {name: getattr(self, name).to_json() for name in ("response", "spearman", "slope", "monotone")}
        return {"doses": self.doses.tolist(), **parts, "saturation": self.saturation}


def dose_response(doses: Sequence[float], changes: npt.NDArray[np.floating], runs: Sequence[str]) -> DoseResponse:
    """Relate doses ``[K]`` to changes ``[R, K]`` of the same runs; NaN changes are left out.

    Raises ``ValueError`` for fewer than two doses, doses that do not ascend, or shapes that do not fit.
    """
    dose, change = np.asarray(doses, np.float64), np.asarray(changes, np.float64)
    if len(dose) < 2 or not (np.diff(dose) > 0).all():
        raise ValueError(f"a dose-response needs two or more ascending doses; got {list(doses)}")
    if change.shape != (len(runs), len(dose)):
        raise ValueError(f"changes are {change.shape}; expected {(len(runs), len(dose))} for runs and doses")
    there: npt.NDArray[np.bool_] = np.isfinite(change)
    names = np.repeat(np.asarray(runs), len(dose)).reshape(change.shape)[there]
    x, y = (np.asarray(part[there], np.float64) for part in (np.broadcast_to(dose, change.shape), change))
    if not len(x):
        raise ValueError("no run has the property at any dose; there is nothing to relate")
    response = _response(change, there, np.asarray(runs))
    whole = np.flatnonzero(there.all(axis=1))
    steps = np.diff(change[whole], axis=1)
    falls = steps.sum(axis=1, keepdims=True) < 0
    monotone = (np.where(falls, -steps, steps) > 0).astype(np.float64).min(axis=1, initial=1.0)
    return DoseResponse(
        doses=dose,
        response=response,
        spearman=_moments(rankdata(x), rankdata(y), names, _correlation),
        slope=_moments(x, y, names, _slope),
        monotone=_moments(np.zeros_like(monotone), monotone, np.asarray(runs)[whole], _mean_y),
        saturation=_saturation(dose, response.value),
    )


def _response(change: FloatArray, there: npt.NDArray[np.bool_], runs: npt.NDArray[np.str_]) -> Interval:
    contributions = np.concatenate([there, np.where(there, change, 0)], axis=1)

    def means(sums: FloatArray) -> FloatArray:
        counts, totals = np.split(sums, 2, axis=-1)
        return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)

    return bootstrap(contributions, runs, means)


def _moments(x: FloatArray, y: FloatArray, groups: npt.NDArray[np.str_], statistic: Any) -> Interval:
    """Interval of a statistic of the weighted sums of 1, x, y, x², y² and xy."""
    if not len(x):
        return Interval(*(np.asarray(np.nan) for _ in range(3)))
    return bootstrap(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), groups, statistic)


def _covariances(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return xx / n - (x / n) ** 2, yy / n - (y / n) ** 2, xy / n - x * y / n**2


def _correlation(sums: FloatArray) -> FloatArray:
    xx, yy, xy = _covariances(sums)
    scale = np.sqrt(np.maximum(xx * yy, 0))
    return np.divide(xy, scale, out=np.full_like(xy, np.nan), where=scale > 0)


def _slope(sums: FloatArray) -> FloatArray:
    xx, _, xy = _covariances(sums)
    return np.divide(xy, xx, out=np.full_like(xy, np.nan), where=xx > 0)


def _mean_y(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., 2] / sums[..., 0])


def _saturation(doses: FloatArray, response: FloatArray) -> float | None:
    """First dose above 0 from which on no interval of doses reaches ``SATURATED`` of the first one's slope."""
    positive = doses > 0
    x, y = np.append(0, doses[positive]), np.append(0, response[positive])
    if len(x) < 3 or not np.isfinite(y).all() or y[1] == 0:
        return None
    slopes = np.array([(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(zip(x, y, strict=True))])
    flat = np.logical_and.accumulate((slopes / slopes[0] < SATURATED)[::-1])[::-1]
    return float(x[int(np.argmax(flat))]) if flat.any() else None
