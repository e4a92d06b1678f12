"""From decoded traces to emergence curves: of one run, and of many that share their times, in one pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from analysis.emergence import EmergenceAccumulator, EmergenceCurve
from harness.decoding.artifacts import CLEAN, VIEWS
from harness.decoding.decode import Decoded, Decoder
from harness.errors import InputError
from harness.store.reader import Trace

Key = tuple[str, Decoder]
"""Property, then view and decoder."""
Curves = dict[Key, EmergenceCurve]


@dataclass
class Emergence:
    """Emergence over runs of one generator with the same times; memory does not grow with their number."""

    runs: dict[str, str] = field(default_factory=dict)
    """Name of every run added -> where its trace is."""
    interventions: list[dict[str, Any]] = field(default_factory=list)
    """What steered all of them, as their traces list it."""
    _sums: dict[Key, EmergenceAccumulator] = field(default_factory=dict)

    def add(self, decoded: Decoded, path: str = "") -> None:
        """Add one run; each may be added once."""
        self.runs[decoded.run] = path
        for name, part in decoded.properties.items():
            if not (part.target >= 0).any():
                continue
            final = part.probabilities[VIEWS[0], CLEAN][-1]
            for decoder, probabilities in part.probabilities.items():
                sums = self._sums.get((name, decoder))
                if sums is None:
                    view, how = decoder
                    sums = EmergenceAccumulator(
                        name, part.unit, view, decoded.t, part.centres, part.tolerance, decoder=how
                    )
                    self._sums[name, decoder] = sums
                sums.add(decoded.run, probabilities, part.target, values=part.values, clean=final)

    def curves(self) -> Curves:
        """Return a curve per property, view and decoder; properties that no run has in any frame are left out."""
        return {key: sums.curve() for key, sums in self._sums.items()}


def measure(decoded: Decoded) -> Curves:
    """Return the curves of one run."""
    emergence = Emergence()
    emergence.add(decoded)
    return emergence.curves()


@dataclass
class Study:
    """Many runs, told apart by what may not be averaged over: generator, weights, codec, times and interventions."""

    _groups: dict[tuple[object, ...], Emergence] = field(default_factory=dict)

    def add(self, trace: Trace, decoded: Decoded) -> None:
        """Add one run. Raises ``InputError`` for one that was added before, perhaps from another folder."""
        metadata, edits = trace.metadata, trace.metadata["extra"].get("interventions", [])
        key = (
            trace.generator_id,
            trace.weights_sha256,
            metadata["codec_weights_sha256"],
            decoded.t.tobytes(),
            json.dumps(edits, sort_keys=True),
        )
        group = self._groups.setdefault(key, Emergence(interventions=edits))
        if decoded.run in group.runs:
            raise InputError(f"{trace.path} is the same run as {group.runs[decoded.run]}; give it once")
        group.add(decoded, str(trace.path))

    def groups(self, least: int = 2) -> Iterator[Emergence]:
        """Give the groups of ``least`` runs or more."""
        return (group for group in self._groups.values() if len(group.runs) >= least)
