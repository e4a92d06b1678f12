"""What watching a generation costs, in CPU time: per update and once a run, with intervals.

A whole run of a real network varies by more from one to the next than tracing costs. Its updates are many and alike, so
each is paired with the same update of the run beside it, and what disturbs a few of them does not count.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from generators.base import HookPoint

REPLICATES = 1000


class Split(NamedTuple):
    """CPU seconds (all threads) of one generation with S updates."""

    updates_s: NDArray[np.float64]
    """``[S - 1]``: every update but the first, in which a trace's files are laid out."""
    once_s: float
    """All the rest: the first update, decoding, setting up and finishing."""


class StepClock:
    """A hook that changes nothing and notes the CPU time at every state; it runs from when it is made."""

    wanted_modules = ()

    def __init__(self) -> None:
        self._marks_s = [time.process_time()]

    def wants(self, point: HookPoint) -> bool:
        """Want every state."""
        return point.name == "x_t"

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Note the time."""
        self._marks_s.append(time.process_time())

    def stop(self) -> Split:
        """End the run, and split it."""
        before, first, *updates, after = np.diff([*self._marks_s, time.process_time()])
        return Split(np.array(updates), float(before + first + after))


def extra(rounds: Mapping[str, Sequence[Split]], base: str) -> dict[str, dict[str, Any]]:
    """Say what each variant costs beyond ``base`` in the same round.

    ``update_extra_ms`` is the median over rounds and updates of the difference, ``once_extra_ms`` that over rounds of
    what does not grow with the updates, ``extra_percent`` both together for one run as a share of the median run of
    ``base``. ``..._95`` are 95 % intervals by a bootstrap over rounds.
    """
    table = {}
    bare = rounds[base]
    run_s = np.array([split.updates_s.sum() + split.once_s for split in bare])
    for name in rounds.keys() - {base}:
        pairs = list(zip(rounds[name], bare, strict=True))
        updates_s = np.array([own.updates_s - other.updates_s for own, other in pairs])
        once_s = np.array([own.once_s - other.once_s for own, other in pairs])
        drawn = np.random.default_rng(0).integers(len(pairs), size=(REPLICATES, len(pairs)))
        chosen = np.vstack([np.arange(len(pairs)), *drawn])  # the rounds as they are, then the replicates
        update_ms = 1e3 * np.array([np.median(updates_s[some]) for some in chosen])
        once_ms = 1e3 * np.median(once_s[chosen], axis=1)
        percent = (update_ms * updates_s.shape[1] + once_ms) / (10 * np.median(run_s[chosen], axis=1))
        row: dict[str, Any] = {}
        for key, values in {"update_extra_ms": update_ms, "once_extra_ms": once_ms, "extra_percent": percent}.items():
            row[key] = round(float(values[0]), 3)
            row[f"{key}_95"] = [round(float(end), 3) for end in np.quantile(values[1:], (0.025, 0.975))]
        table[name] = row
    return table
