"""The timing map: how much an edit in each window of t still does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.bootstrap import FloatArray, Interval, bootstrap
from analysis.steering.clip import JUDGED
from analysis.steering.comparison import Comparison
from analysis.steering.effect import spread

LEFT = 0.5
"""Share of the largest effect that must be left for a property not to count as fixed."""
LEAST_EFFECT = 0.1
"""Share of the wanted change that the best window must reach for a commitment to mean anything."""

Cell = tuple[int, int]
"""Window and strength, by index."""
Window = tuple[float, float]
"""``(t_start, t_end)``."""


@dataclass(frozen=True)
class TimingMap:
    """One steered property. Shape letters: W windows of t, K strengths. Intervals come from resampling runs."""

    property: str
    windows: tuple[Window, ...]
    """``[W]`` ascending, without gaps."""
    strengths: tuple[float, ...]
    """``[K]``."""
    effect: Interval
    """``[W, K]`` mean over runs of the change of the target, as a share of the change that was wanted."""
    reached: Interval
    """``[W, K]`` share of runs on target."""
    others: Mapping[str, Interval]
    """Other property -> ``[W, K]`` mean absolute change in units of its spread between runs."""
    by_window: Interval
    """``[W]`` effect, averaged over strengths."""
    opening: Interval
    """Scalar t: start of the first window in which half of the largest effect is there; NaN where no window has one."""
    commitment: Interval
    """Scalar t: end of the last window in which half of the largest effect is left; NaN where no window has one."""
    runs: int
    """Runs that count: those whose baseline has the property well enough."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-ready values."""
        intervals = ("effect", "reached", "by_window", "opening", "commitment")
        return {
            "property": self.property,
            "windows": [list(window) for window in self.windows],
            "strengths": list(self.strengths),
            **{name: getattr(self, name).to_json() for name in intervals},
            "others": {name: part.to_json() for name, part in self.others.items()},
            "runs": self.runs,
        }


def timing_map(
    windows: Sequence[Window], strengths: Sequence[float], cells: Mapping[Cell, Sequence[Comparison]]
) -> TimingMap:
    """Pool the comparisons of every cell.

    Parameters
    ----------
    windows, strengths
        Axes of the map.
    cells
        (window, strength) -> one comparison a run; the same runs and the same property throughout, each with a target
        change that is not 0.

    Raises
    ------
    ValueError
        If a cell is missing or holds other runs, or no run's baseline has the property.
    """
    names, name = _check(windows, strengths, cells)
    shape = (len(windows), len(strengths))

    def numbers(value: Callable[[Comparison], float]) -> FloatArray:
        """``[R, W, K]``."""
        grid = np.full((len(names), *shape), np.nan)
        for (window, strength), comparisons in cells.items():
            by_run = {c.run: c for c in comparisons}
            grid[:, window, strength] = [value(by_run[run]) for run in names]
        return grid

    def leaked(other: str) -> Interval:
        between = spread(next(iter(cells.values())), other)
        return _mean(numbers(lambda c: abs(c.change[other]) / between), names)

    effect = numbers(lambda c: c.change[name] / _wanted(c))
    starts, ends = np.array(windows).T
    by_window = _mean(effect, names, lambda means: np.nanmean(means, axis=-1))
    return TimingMap(
        property=name,
        windows=tuple((float(start), float(end)) for start, end in windows),
        strengths=tuple(float(strength) for strength in strengths),
        effect=_mean(effect, names),
        reached=_mean(numbers(lambda c: float(c.reached)), names),
        others={other: leaked(other) for other in JUDGED if other != name},
        by_window=by_window,
        opening=_mean(effect, names, lambda means: opening(np.nanmean(means, axis=-1), starts)),
        commitment=_mean(effect, names, lambda means: commitment(np.nanmean(means, axis=-1), ends)),
        runs=len(names),
    )


def opening(by_window: FloatArray, starts: FloatArray) -> FloatArray:
    """Start ``[...]`` of the first window in which ``LEFT`` of the largest effect ``[..., W]`` is there.

    NaN where the largest effect is below ``LEAST_EFFECT``.
    """
    enough = _enough(by_window)
    return np.where(enough.any(axis=-1), starts[enough.argmax(axis=-1)], np.nan)


def commitment(by_window: FloatArray, ends: FloatArray) -> FloatArray:
    """End ``[...]`` of the last window in which ``LEFT`` of the largest effect ``[..., W]`` is left; else as above."""
    enough = _enough(by_window)
    last = enough.shape[-1] - 1 - enough[..., ::-1].argmax(axis=-1)
    return np.where(enough.any(axis=-1), ends[last], np.nan)


def _enough(by_window: FloatArray) -> NDArray[np.bool_]:
    """``[..., W]``: which windows have ``LEFT`` of the largest effect; none where that is below ``LEAST_EFFECT``."""
    best = by_window.max(axis=-1, keepdims=True)
    enough: NDArray[np.bool_] = (by_window >= LEFT * best) & (best >= LEAST_EFFECT)
    return enough


def _wanted(comparison: Comparison) -> float:
    if comparison.target is None or not comparison.target.change:
        raise ValueError(f"run {comparison.run!r} has no target change; a timing map compares changes with one")
    return comparison.target.change


def _check(
    windows: Sequence[Window], strengths: Sequence[float], cells: Mapping[Cell, Sequence[Comparison]]
) -> tuple[list[str], str]:
    """Return the runs that count and the property."""
    wanted = {(w, k) for w in range(len(windows)) for k in range(len(strengths))}
    if set(cells) != wanted or not wanted:
        raise ValueError(f"the map needs the {len(wanted)} cells of its windows and strengths; got {len(cells)}")
    runs = {tuple(sorted(c.run for c in comparisons)) for comparisons in cells.values()}
    targets = {c.target.property for comparisons in cells.values() for c in comparisons if c.target is not None}
    if len(runs) != 1 or len(targets) != 1:
        raise ValueError("every cell of a timing map needs the same runs and the same property")
    eligible = sorted(c.run for c in next(iter(cells.values())) if c.eligible)
    if not eligible:
        raise ValueError(f"no run's baseline has {targets.pop()} well enough to judge a change; take other prompts")
    return eligible, targets.pop()


def _mean(
    numbers: FloatArray, runs: Sequence[str], then: Callable[[FloatArray], FloatArray] = lambda means: means
) -> Interval:
    """Interval of ``then`` of the mean over runs of ``[R, W, K]``, NaN left out."""
    there = np.isfinite(numbers)
    flat = np.concatenate([there, np.where(there, numbers, 0)], axis=1).reshape(len(runs), -1)

    def statistic(sums: FloatArray) -> FloatArray:
        counts, totals = np.split(sums.reshape(*sums.shape[:-1], 2 * numbers.shape[1], -1), 2, axis=-2)
        return then(np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0))

    return bootstrap(flat, np.asarray(runs), statistic)
