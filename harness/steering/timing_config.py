"""What a timing study asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from analysis.steering import JUDGED
from analysis.steering.timing import Window
from generators.base import GenerationRequest
from harness import registry
from harness.errors import InputError
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty

CHANGES: Mapping[str, float] = {"pitch": 3.0, "loudness": -6.0, "timbre": 0.5}
"""Change that a strength of 1 asks for, in the property's unit."""


class Cell(NamedTuple):
    """One edit of a study, done to every run."""

    property: str
    window: int
    """Index of the window of t."""
    strength: int
    """Index of the strength."""


@dataclass(frozen=True)
class TimingConfig:
    """What is asked for; a study is continued only with the same. Raises ``InputError`` for what makes no sense."""

    properties: tuple[str, ...]
    """Steered, each in a map of its own."""
    windows: int
    """W, windows of equal width between t = 0 and 1."""
    strengths: tuple[float, ...]
    """Multiples of ``CHANGES``."""
    requests: tuple[GenerationRequest, ...]
    """Resolved, all of one plan."""

    def __post_init__(self) -> None:
        for name in self.properties:
            if name not in JUDGED:
                raise InputError(registry.unknown("property", name, list(JUDGED)))
        if not self.properties or len(set(self.properties)) < len(self.properties):
            raise InputError("give at least one property, and each only once")
        if self.windows < 2:
            raise InputError(f"windows is {self.windows}; give 2 or more: one window compares nothing")
        if not self.strengths or 0 in self.strengths or len(set(self.strengths)) < len(self.strengths):
            raise InputError(f"strengths are {list(self.strengths)}; give different numbers other than 0")
        names = {(request.prompt, request.seed) for request in self.requests}
        if not self.requests or len(names) < len(self.requests):
            raise InputError("give at least one prompt, and each prompt only once")

    def edges(self) -> list[Window]:
        """Return the windows of t."""
        return [(w / self.windows, (w + 1) / self.windows) for w in range(self.windows)]

    def cells(self) -> Iterator[Cell]:
        """Give all cells, a whole map of every property first at the first strength, then at the next."""
        for strength in range(len(self.strengths)):
            for window in range(self.windows):
                for name in self.properties:
                    yield Cell(name, window, strength)

    def intervention(self, cell: Cell) -> SetProperty:
        """Return the edit of one cell."""
        change = CHANGES[cell.property] * self.strengths[cell.strength]
        return SetProperty(cell.property, change=change, schedule=Schedule(t=self.edges()[cell.window]))
