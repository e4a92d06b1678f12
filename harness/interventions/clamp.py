"""Set SAE features to a value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from harness.errors import InputError
from harness.interventions.features import FeatureEdit


@dataclass(frozen=True)
class Clamp(FeatureEdit):
    """Sets activations to ``value``, whether the features were active or not."""

    value: float
    """Wanted activation, 0 or more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.value) and self.value >= 0):
            raise InputError(f"value is {self.value}; give a finite activation, 0 or more")

    def change(self, f: Tensor) -> Tensor:
        """Return ``value - f``."""
        return self.value - f
