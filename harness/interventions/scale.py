"""Multiply SAE features."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from harness.errors import InputError
from harness.interventions.features import FeatureEdit


@dataclass(frozen=True)
class Scale(FeatureEdit):
    """Multiplies activations by ``factor``: 0 removes what the features add, 1 changes nothing, 2 doubles it."""

    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.factor):
            raise InputError(f"factor is {self.factor}; give a finite number, 1 for no change")

    def change(self, f: Tensor) -> Tensor:
        """Return ``(factor - 1) f``."""
        return (self.factor - 1) * f
