"""What a probe is to learn: one property's values, which file each frame is from, and who trains and who tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.probes.splits import DEFAULT_SPLIT, split_groups
from analysis.properties.bins import Bins


@dataclass(frozen=True)
class ProbeTask:
    """Targets of N frames."""

    property: str
    """Name of the property."""
    unit: str
    """Unit of the values."""
    tolerance: float
    """Largest difference at which two values count as the same, in ``unit``."""
    bins: Bins
    """Classes."""
    values: np.ndarray
    """``[N]`` float, NaN where the property does not exist (unvoiced, silent): those frames are dropped."""
    groups: np.ndarray
    """``[N]`` file or run of each frame; frames of one group are never split."""
    split: np.ndarray
    """``[N]`` of ``train``, ``validation`` and ``test``."""

    def __post_init__(self) -> None:
        if not self.values.ndim == 1 or not self.values.shape == self.groups.shape == self.split.shape:
            raise ValueError(
                f"values, groups and split must be [frames]; got {self.values.shape}, {self.groups.shape}, "
                f"{self.split.shape}"
            )

    @classmethod
    def of(
        cls,
        name: str,
        unit: str,
        tolerance: float,
        bins: Bins,
        values: np.ndarray,
        groups: np.ndarray,
        *,
        shares: Mapping[str, float] = DEFAULT_SPLIT,
        seed: int = 0,
    ) -> ProbeTask:
        """Split by the hash of the group names."""
        return cls(name, unit, tolerance, bins, values, groups, split_groups(groups, shares, seed))

    @cached_property
    def target(self) -> np.ndarray:
        """Class of every frame, ``[N]``; -1 where it has none."""
        return self.bins.index(self.values)

    def has(self, name: str) -> bool:
        """Say whether one split holds labelled frames."""
        return bool(((self.split == name) & (self.target >= 0)).any())

    def rows(self, name: str) -> np.ndarray:
        """Return the labelled frames of one split. Raises ``ValueError`` when there are none."""
        if not self.has(name):
            sizes = {part: int((self.split == part).sum()) for part in np.unique(self.split)}
            raise ValueError(
                f"{self.property}: no labelled frames in the {name!r} split (frames per split: {sizes}, labelled in "
                f"all: {int((self.target >= 0).sum())}); add files, or check that the property exists in them"
            )
        return np.flatnonzero((self.split == name) & (self.target >= 0))
