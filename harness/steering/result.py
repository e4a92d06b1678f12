"""A finished experiment: where its runs are, and their comparisons, from which all figures follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from analysis.steering import JUDGED, Comparison, DoseResponse, Effect, Target, dose_response, summarise
from generators.base import GenerationRequest
from harness import runs
from harness.errors import InputError
from harness.files import write_json

ARMS = ("baseline", "steered", "control")
AS_GIVEN = 1.0
"""The dose that leaves the interventions as they were given."""
RESULT = "steering.json"
"""Beside the run folders of the arms."""


@dataclass(frozen=True)
class SteeringResult:
    """A finished experiment. All comparisons are with the baseline of the same seed, the recorded seed first."""

    out: Path
    """Holds a run folder for each of ``ARMS``: the recorded seed."""
    request: GenerationRequest
    interventions: tuple[Mapping[str, Any], ...]
    """As a trace lists them."""
    target: Target | None
    """What is to be reached; None for edits without a target."""
    by_dose: Mapping[float, tuple[Comparison, ...]]
    """Dose, ascending -> the steered runs; ``AS_GIVEN`` is among them."""
    control: tuple[Comparison, ...]
    """The runs under random edits."""
    relative_norm: Mapping[str, float]
    """``steered`` and ``control`` -> mean over seeds of the edits' size, relative to what they edited."""
    seeds: tuple[int, ...]
    notes: tuple[str, ...] = ()
    """What is to be known about the comparison, in sentences."""

    @property
    def compared(self) -> Mapping[str, tuple[Comparison, ...]]:
        """``steered`` and ``control`` -> their comparisons."""
        return {"steered": self.by_dose[AS_GIVEN], "control": self.control}

    @property
    def recorded(self) -> Mapping[str, Comparison]:
        """``steered`` and ``control`` -> the recorded seed's comparison."""
        return {arm: comparisons[0] for arm, comparisons in self.compared.items()}

    @cached_property
    def over_seeds(self) -> Mapping[str, Effect]:
        """``steered`` and ``control`` -> all seeds together."""
        return {arm: summarise(comparisons) for arm, comparisons in self.compared.items()}

    @cached_property
    def doses(self) -> Mapping[str, DoseResponse]:
        """Property -> change against dose, over all seeds; only those that any seed has, and none for a single dose."""
        if len(self.by_dose) < 2:
            return {}
        doses, names = list(self.by_dose), [comparison.run for comparison in self.control]
        found = {}
        for name in JUDGED:
            changes = np.array([[c.change[name] for c in self.by_dose[dose]] for dose in doses]).T
            if np.isfinite(changes).any():
                found[name] = dose_response(doses, changes, names)
        return found

    def trace(self, arm: str) -> Path:
        """Path of one arm's trace."""
        return self.out / arm / runs.TRACE

    def audio(self, arm: str) -> Path:
        """Path of one arm's audio."""
        return self.out / arm / runs.AUDIO

    def store(self) -> None:
        """Keep it in its folder, for ``read_result``. Raises ``StorageError`` for what the disk refuses."""
        document = {
            "request": asdict(self.request),
            "interventions": self.interventions,
            "target": None if self.target is None else asdict(self.target),
            "by_dose": [[dose, [c.to_json() for c in found]] for dose, found in self.by_dose.items()],
            "control": [c.to_json() for c in self.control],
            "relative_norm": self.relative_norm,
            "seeds": self.seeds,
            "notes": self.notes,
        }
        write_json(self.out / RESULT, document)


def read_result(out: Path) -> SteeringResult:
    """Read the experiment of a folder. Raises ``InputError`` for a file that is damaged."""
    path = out / RESULT
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return SteeringResult(
            out=out,
            request=GenerationRequest(**stored["request"]),
            interventions=tuple(stored["interventions"]),
            target=None if stored["target"] is None else Target(**stored["target"]),
            by_dose={dose: tuple(map(Comparison.from_json, found)) for dose, found in stored["by_dose"]},
            control=tuple(map(Comparison.from_json, stored["control"])),
            relative_norm=stored["relative_norm"],
            seeds=tuple(stored["seeds"]),
            notes=tuple(stored["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); give the 'harness steer' command again with --force") from error
