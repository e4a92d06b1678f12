"""The folder of a timing study: what was asked for, a file for every finished cell, and the table at the end."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.bootstrap import Interval
from analysis.steering import JUDGED, Comparison, TimingMap
from generators.base import GenerationRequest, Generator
from harness import runs
from harness.errors import ExistsError, InputError
from harness.files import check_output, whole, write_json
from harness.steering.timing_config import Cell, TimingConfig

CONFIG, TABLE, RESULT = "study.json", "timing.csv", "timing.json"


@dataclass(frozen=True)
class StudyFolder:
    """Where a study lives."""

    out: Path

    @property
    def baseline(self) -> Path:
        """Folder of the unsteered runs."""
        return self.out / "baseline"

    def open(self, generator: Generator, config: TimingConfig, *, force: bool) -> None:
        """Begin a study, or make sure that the one that is here is the same, so that it can be continued.

        Raises ``ExistsError`` for another one, unless it may be replaced (``force``).
        """
        asked = {"generator": generator.id, "weights_sha256": generator.weights_sha256, **asdict(config)}
        document = json.loads(json.dumps(asked))
        path = self.out / CONFIG
        if path.is_file() and _read(path) == document:
            return
        if not path.is_file():
            check_output(self.out, force=force)
        elif not force:
            raise ExistsError(f"{self.out} holds a study with other settings; give another folder, or --force")
        for old in (self.out / "cells").glob("*.json"):
            old.unlink()
        for trace in self.baseline.rglob(runs.TRACE):
            runs.clear(trace.parent)
        (self.out / "cells").mkdir(parents=True, exist_ok=True)
        write_json(path, document)

    def config(self) -> TimingConfig:
        """Read what was asked for. Raises ``InputError`` for a damaged file."""
        path = self.out / CONFIG
        asked = _read(path)
        try:
            return TimingConfig(
                properties=tuple(asked["properties"]),
                windows=asked["windows"],
                strengths=tuple(asked["strengths"]),
                requests=tuple(GenerationRequest(**request) for request in asked["requests"]),
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); give the 'harness timing' command again") from error

    def traces(self, config: TimingConfig) -> list[Path]:
        """Paths of the traces of the unsteered runs, which may not be there yet."""
        return [path / runs.TRACE for path in runs.run_folders(self.baseline, len(config.requests))]

    def has(self, cell: Cell) -> bool:
        """Whether a cell was finished."""
        return self._path(cell).is_file()

    def store(self, cell: Cell, comparisons: Sequence[Comparison]) -> None:
        """Keep a finished cell."""
        write_json(self._path(cell), [comparison.to_json() for comparison in comparisons])

    def load(self, cell: Cell) -> list[Comparison]:
        """Read a finished cell. Raises ``InputError`` for a damaged file."""
        path = self._path(cell)
        try:
            return [Comparison.from_json(record) for record in _read(path)]
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged; delete it and give the command again") from error

    def write_result(self, maps: Mapping[str, TimingMap], document: Mapping[str, Any]) -> None:
        """Write ``timing.json``, and ``timing.csv`` with a row for every property, window and strength."""
        write_json(self.out / RESULT, document)
        others = [f"{name}_{end}" for name in JUDGED for end in ("spreads", "low", "high")]
        head = ["steered", "t_start", "t_stop", "strength", "effect", "effect_low", "effect_high", "reached", *others]
        with whole(self.out / TABLE) as part, part.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(head)
            for found in maps.values():
                rows.writerows(_rows(found))

    def _path(self, cell: Cell) -> Path:
        return self.out / "cells" / f"{cell.property}-w{cell.window}-s{cell.strength}.json"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged; delete it and give the command again") from error


def _rows(found: TimingMap) -> list[list[float | str]]:
    rows: list[list[float | str]] = []
    for w, (start, stop) in enumerate(found.windows):
        for k, strength in enumerate(found.strengths):
            leaks = [number for name in JUDGED for number in _ends(found.others.get(name), w, k)]
            reached = float(found.reached.value[w, k])
            rows.append([found.property, start, stop, strength, *_ends(found.effect, w, k), reached, *leaks])
    return rows


def _ends(interval: Interval | None, w: int, k: int) -> list[float | str]:
    """Value, low and high of a cell; empty where there is none, as for the steered property itself."""
    if interval is None:
        return ["", "", ""]
    return [float(part[w, k]) for part in (interval.value, interval.low, interval.high)]
