"""Running a recorded generation again, with its interventions, and comparing every number."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from generators.base import GenerationRequest, Generator, HookPoint, StepHook
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.interventions import from_json, to_json
from harness.interventions.base import Intervention
from harness.interventions.bind import bind
from harness.models import require_generator
from harness.store.reader import Trace


@dataclass(frozen=True)
class Replay:
    """How a run compares with its trace."""

    identical: bool
    """Whether every recorded state, and the audio where there is some, is the same to the last bit."""
    states: int
    """States compared."""
    first_difference: int | None
    """First step whose state differs."""
    state_difference: float
    """Largest difference of a state, relative to the largest number in the trace's own; infinite where one is NaN."""
    audio_difference: float | None
    """Largest difference of a sample; None where the trace has no audio, infinite where the lengths differ."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields; what is infinite, which JSON cannot say, becomes None."""
        return {name: None if value == math.inf else value for name, value in asdict(self).items()}

    @property
    def finding(self) -> str:
        """Say it in a sentence."""
        if self.identical:
            return "bit-identical"
        if self.first_difference is None:
            return f"all states are bit-identical, the audio differs by up to {self.audio_difference:.2g}"
        sound = "" if self.audio_difference is None else f", the audio by up to {self.audio_difference:.2g}"
        return (
            f"not bit-identical: states differ from step {self.first_difference} on, by up to "
            f"{self.state_difference:.2g} of their largest number{sound}"
        )


def interventions_of(trace: Trace, scripted: Sequence[Intervention] = ()) -> list[Intervention]:
    """Return the interventions a trace lists; those that cannot be read from it are looked for among ``scripted``.

    Raises ``InputError`` for one that is in neither.
    """
    by_document = {_key(to_json(item)): item for item in scripted}
    found = []
    for document in trace.metadata["extra"].get("interventions", []):
        if _key(document) in by_document:
            found.append(by_document[_key(document)])
            continue
        try:
            found.append(from_json(document))
        except InputError as error:
            raise InputError(
                f"{trace.path} was made with an intervention of kind {document.get('kind')!r} that it cannot give back "
                f"({error}); give the script it came from by --script"
            ) from None
    return found


def replay(
    trace: Trace, generator: Generator, interventions: Sequence[Intervention], artifacts: Artifacts | None = None
) -> Replay:
    """Run the batch of ``trace`` again and compare. Raises ``InputError`` for another generator or other weights."""
    require_generator(trace, generator)
    requests = [GenerationRequest(**request) for request in trace.batch]
    index = int(trace.metadata["batch_index"])
    comparison = _Comparison(trace, index)
    hooks: list[StepHook] = [*bind(interventions, generator, requests, artifacts), comparison]
    generation = generator.generate_batch(requests, hooks)[index]
    audio = None if trace.audio is None else _difference(generation.audio, trace.audio)
    first = comparison.first
    return Replay(first is None and not audio, len(trace.x_t), first, comparison.largest, audio)


def _key(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _difference(one: Any, other: Any) -> float:
    if one.shape != other.shape:
        return math.inf
    largest = float(np.abs(one - other).max(initial=0.0))
    return largest if math.isfinite(largest) else math.inf


class _Comparison:
    """A hook that looks at every state."""

    wanted_modules = ()

    def __init__(self, trace: Trace, index: int) -> None:
        self._trace, self._index = trace, index
        self.first: int | None = None
        self.largest = 0.0

    def wants(self, point: HookPoint) -> bool:
        """Want the states that were recorded."""
        return point.name == "x_t" and point.step < len(self._trace.x_t)

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Compare one state."""
        recorded = torch.from_numpy(np.array(self._trace.x_t[point.step])).to(value.dtype)
        mine = value[self._index].cpu()
        if torch.equal(mine, recorded):
            return
        self.first = point.step if self.first is None else self.first
        difference = _difference(mine.float().numpy(), recorded.float().numpy())
        if math.isfinite(difference):
            difference /= float(recorded.abs().max()) or 1.0
        self.largest = max(self.largest, difference)
