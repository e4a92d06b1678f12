"""Bootstrap intervals over groups of frames that belong together: files, runs.

Frames of one file resemble one another, so files are the units that are resampled. The weights are those of the
Bayesian bootstrap (Rubin 1981): every group gets an Exponential(1) weight per replicate, drawn from the group's own
name. Hence

- no replicate loses a class or a group altogether, so no statistic is ever undefined by resampling;
- a group has the same weights in every measurement, so differences between measurements on the same groups are paired;
- sums can be accumulated one group at a time, in any order, without keeping the groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

REPLICATES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A measured value, or an array of them, with its bootstrap interval."""

    value: FloatArray
    """The statistic of all groups, unweighted; any shape."""
    low: FloatArray
    """Lower end, of the same shape."""
    high: FloatArray
    """Upper end, of the same shape."""

    def __post_init__(self) -> None:
        if not self.value.shape == self.low.shape == self.high.shape:
            raise ValueError(
                f"value, low and high must have one shape; got {self.value.shape}, {self.low.shape}, {self.high.shape}"
            )

    def __getitem__(self, key: Any) -> Interval:
        """Return the same part of value, low and high."""
        return Interval(*(np.asarray(part[key]) for part in (self.value, self.low, self.high)))

    def __format__(self, spec: str) -> str:
        """Write a scalar with its interval, each number by ``spec``: ``0.74 [0.60, 0.88]``; a dash where undefined."""
        value, low, high = (float(part) for part in (self.value, self.low, self.high))
        if np.isnan(value):
            return "–"
        return f"{value:{spec}}" + ("" if np.isnan(low) else f" [{low:{spec}}, {high:{spec}}]")

    def to_json(self) -> dict[str, Any]:
        """Return value, low and high as numbers or lists; None where undefined."""
        return {name: _finite(getattr(self, name).tolist()) for name in ("value", "low", "high")}


def group_weights(group: str, replicates: int = REPLICATES, *, seed: int = 0, blocks: int = 1) -> FloatArray:
    """Draw the weights of one group, ``[replicates, blocks]``, mean 1, from its name and the seed.

    With several blocks (stretches of frames inside the group) the weight of a block is the group's times its own:
    both levels are resampled.
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    weights = random.exponential(size=(replicates, 1))
    return weights if blocks == 1 else weights * random.exponential(size=(replicates, blocks))


def interval(value: npt.ArrayLike, replicates: FloatArray, level: float = LEVEL) -> Interval:
    """Put a percentile interval around ``value`` ``[...]`` from replicates ``[B, ...]``; NaN where any is NaN.

    The ends are replicates, not interpolated between two: a replicate may be infinite (a time never reached).
    """
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    return Interval(np.asarray(value, dtype=np.float64), np.asarray(low), np.asarray(high))


def bootstrap(
    contributions: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    statistic: Callable[[FloatArray], FloatArray],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """Interval of any statistic that is a function of sums over frames.

    Parameters
    ----------
    contributions
        ``[N, D]``: what each frame adds to the D sums.
    groups
        ``[N]``: the file or run of each frame (names or numbers).
    statistic
        Maps sums ``[..., D]`` to values ``[..., M]``.
    """
    names, inverse = np.unique(groups, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(names)))
    sums = np.add.reduceat(np.asarray(contributions, dtype=np.float64)[order], starts, axis=0)
    weights = np.concatenate([group_weights(str(name), replicates, seed=seed) for name in names], axis=1)
    return interval(statistic(sums.sum(axis=0)), statistic(weights @ sums))


def _finite(numbers: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinity) by None."""
    if isinstance(numbers, list):
        return [_finite(number) for number in numbers]
    return numbers if np.isfinite(numbers) else None
