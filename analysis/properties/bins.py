"""Discretisation of a continuous property into the classes a probe predicts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

CLIPPED_SHARE = 0.005
"""Share of the values at either end that fitted equal-width bins do not stretch for."""


@dataclass(frozen=True)
class Bins:
    """Classes 0 .. count - 1 between consecutive edges; class i holds ``edges[i] <= value < edges[i + 1]``."""

    edges: tuple[float, ...]
    """count + 1 strictly increasing values."""
    open_ended: bool = True
    """Whether values outside the edges fall into the first and last class (True) or have no class, -1 (False)."""

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or not all(low < high for low, high in pairwise(self.edges)):
            raise ValueError(f"bin edges must be at least two strictly increasing numbers, got {self.edges}")

    @classmethod
    def equal_width(cls, values: npt.ArrayLike, count: int) -> Self:
        """``count`` bins of one width over the values' range, less 0.5 % of outliers at either end."""
        low, high = np.quantile(_finite(values), [CLIPPED_SHARE, 1 - CLIPPED_SHARE])
        if not high > low:
            raise ValueError(f"cannot fit {count} bins: nearly all values are {low:.6g}")
        return cls(tuple(np.linspace(low, high, count + 1).tolist()))

    @classmethod
    def quantile(cls, values: npt.ArrayLike, count: int) -> Self:
        """``count`` bins that hold about the same number of the given values."""
        edges = np.quantile(_finite(values), np.linspace(0, 1, count + 1))
        if not np.all(np.diff(edges) > 0):
            raise ValueError(f"cannot fit {count} quantile bins: too many values are equal; ask for fewer bins")
        return cls(tuple(edges.tolist()))

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.edges) - 1

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """``[count]``: the middle of each class, the value a predicted class stands for."""
        edges = np.asarray(self.edges)
        return np.asarray((edges[:-1] + edges[1:]) / 2)

    def index(self, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Class of each value, any shape; -1 for NaN, and for values outside the edges unless open ended."""
        array = np.asarray(values, np.float64)
        found = np.searchsorted(self.edges, array, side="right") - 1
        outside = np.isnan(array)
        if not self.open_ended:
            outside |= (array < self.edges[0]) | (array >= self.edges[-1])
        return np.where(outside, -1, np.clip(found, 0, self.count - 1)).astype(np.int64)


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, np.float64).ravel()
    array = array[np.isfinite(array)]
    if not array.size:
        raise ValueError("cannot fit bins: no valid values were given (silent or unvoiced audio only?)")
    return array
