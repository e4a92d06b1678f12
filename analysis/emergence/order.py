"""Which property emerges first, corrected for how well each probe can read at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.bootstrap import FloatArray, Interval, interval
from analysis.emergence.curve import EmergenceCurve


@dataclass(frozen=True)
class EmergenceOrder:
    """Properties by the t at which their ceiling-normalised accuracy stays at half or more. P properties."""

    properties: tuple[str, ...]
    """Names, earliest first; those whose time is undefined come last."""
    half_t: Interval
    """``[P]`` times."""
    lead: Interval
    """``[P, P]``: by how much t row emerges before column (positive = earlier), from paired replicates."""
    probability: FloatArray
    """``[P, P]``: share of replicates in which row emerges before column, ties counted half; NaN where undefined."""

    @property
    def separated(self) -> np.ndarray:
        """``[P, P]``: True where the interval of the lead is wholly above 0, so that row is earlier beyond doubt."""
        return np.asarray(self.lead.low > 0)

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-ready values."""
        return {
            "properties": list(self.properties),
            "half_t": self.half_t.to_json(),
            "lead": self.lead.to_json(),
            "probability": Interval(*[self.probability] * 3).to_json()["value"],
            "separated": self.separated.tolist(),
        }


def compare_order(curves: Sequence[EmergenceCurve]) -> EmergenceOrder:
    """Order curves of one view over the same runs. Raises ``ValueError`` for curves that cannot be compared."""
    views = {curve.view for curve in curves}
    if len(views) != 1 or len({len(curve.half_t_replicates) for curve in curves}) != 1:
        raise ValueError("the order needs curves of one view, with one seed and one number of replicates")
    ranked = sorted(curves, key=lambda curve: np.nan_to_num(curve.half_t.value, nan=np.inf, posinf=np.finfo(float).max))
    value = np.array([curve.half_t.value for curve in ranked])
    replicates = np.stack([curve.half_t_replicates for curve in ranked], axis=1)
    with np.errstate(invalid="ignore"):
        leads = replicates[:, None, :] - replicates[:, :, None]
        lead = value[None, :] - value[:, None]
    earlier = np.where(np.isnan(leads), np.nan, (leads > 0) + 0.5 * (leads == 0))
    return EmergenceOrder(
        properties=tuple(curve.property for curve in ranked),
        half_t=Interval(
            value, *(np.array([getattr(curve.half_t, end) for curve in ranked]) for end in ("low", "high"))
        ),
        lead=interval(lead, leads),
        probability=earlier.mean(axis=0),
    )
