"""One arm of an experiment over many runs: success, leakage, preservation, artefacts, all with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import properties
from analysis.bootstrap import Interval, bootstrap
from analysis.steering.clip import JUDGED
from analysis.steering.comparison import Comparison, unit

KEPT = ("log_mel_db", "chroma_similarity", "onset_f1")
ARTEFACTS = ("clipped_change", "flatness_change_db", "latent_distance")


@dataclass(frozen=True)
class Leakage:
    """What an edit did to one property."""

    property: str
    unit: str
    spread: float
    """Standard deviation of the baselines between runs, at least the property's tolerance."""
    change: Interval
    """Mean change, with its sign."""
    size: Interval
    """Mean absolute change."""
    in_spreads: Interval
    """Mean absolute change divided by ``spread``."""
    kept: Interval
    """Share of runs in which a typical frame stayed within the property's tolerance."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields, intervals as value, low and high."""
        plain = {"property": self.property, "unit": self.unit, "spread": _finite(self.spread)}
        return plain | {name: getattr(self, name).to_json() for name in ("change", "size", "in_spreads", "kept")}


@dataclass(frozen=True)
class Effect:
    """One arm: the steered runs, or the control."""

    runs: int
    """Runs compared."""
    eligible: int
    """Those whose baseline has the target property well enough; only these count for ``reached``."""
    reached: Interval
    """Share of the eligible runs on target."""
    leakage: Mapping[str, Leakage]
    """Property -> what happened to it, the target itself included."""
    preservation: Mapping[str, Interval]
    """Name of ``KEPT`` -> mean over runs."""
    artefacts: Mapping[str, Interval]
    """Name of ``ARTEFACTS`` -> mean over runs."""
    lufs_change: Interval

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-ready values."""
        return {
            "runs": self.runs,
            "eligible": self.eligible,
            "reached": self.reached.to_json(),
            "leakage": {name: part.to_json() for name, part in self.leakage.items()},
            "preservation": {name: part.to_json() for name, part in self.preservation.items()},
            "artefacts": {name: part.to_json() for name, part in self.artefacts.items()},
            "lufs_change": self.lufs_change.to_json(),
        }


def summarise(comparisons: Sequence[Comparison]) -> Effect:
    """Pool the comparisons of one arm; runs are what is resampled, so arms of the same runs have paired intervals.

    Raises ``ValueError`` without any.
    """
    if not comparisons:
        raise ValueError("no run was compared; give at least one")
    eligible = [c for c in comparisons if c.eligible and c.target is not None]
    return Effect(
        runs=len(comparisons),
        eligible=len(eligible),
        reached=mean_over_runs(eligible, lambda c: c.reached),
        leakage={name: _leakage(comparisons, name) for name in JUDGED},
        preservation={name: _mean_of(comparisons, name) for name in KEPT},
        artefacts={name: _mean_of(comparisons, name) for name in ARTEFACTS},
        lufs_change=_mean_of(comparisons, "lufs_change"),
    )


def mean_over_runs(comparisons: Sequence[Comparison], value: Callable[[Comparison], float]) -> Interval:
    """Mean of ``value`` over the comparisons where it is a number, with an interval from resampling runs.

    NaN without any; the ends are NaN too with a single run, which says nothing about others.
    """
    numbers = np.array([value(c) for c in comparisons], dtype=np.float64)
    there = np.isfinite(numbers)
    if not there.any():
        return Interval(*(np.asarray(np.nan) for _ in range(3)))
    groups = np.array([c.run for c in comparisons])[there]
    contributions = np.stack([np.ones(there.sum()), numbers[there]], axis=1)
    found = bootstrap(contributions, groups, lambda sums: sums[..., 1] / sums[..., 0])
    if len(set(groups)) == 1:
        return Interval(found.value, np.asarray(np.nan), np.asarray(np.nan))
    return found


def spread(comparisons: Sequence[Comparison], name: str) -> float:
    """Return the standard deviation of the baselines between runs, but at least the property's tolerance.

    Each run counts once. Runs of one prompt may share a value to the cent; in units of that, everything would leak.
    """
    typical = {c.run: c.baseline[name] for c in comparisons}
    values = np.array([value for value in typical.values() if np.isfinite(value)])
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return max(deviation, properties.load(name).tolerance)


def _leakage(comparisons: Sequence[Comparison], name: str) -> Leakage:
    between = spread(comparisons, name)
    size = mean_over_runs(comparisons, lambda c: abs(c.change[name]))
    return Leakage(
        property=name,
        unit=unit(name),
        spread=between,
        change=mean_over_runs(comparisons, lambda c: c.change[name]),
        size=size,
        in_spreads=Interval(size.value / between, size.low / between, size.high / between),
        kept=mean_over_runs([c for c in comparisons if np.isfinite(c.unchanged[name])], lambda c: c.kept(name)),
    )


def _mean_of(comparisons: Sequence[Comparison], field: str) -> Interval:
    return mean_over_runs(comparisons, lambda c: getattr(c, field))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
