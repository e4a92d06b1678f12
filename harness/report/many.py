"""Many runs, as the panels about them see them: one row a run, and the emergence of each group of runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from harness.decoding.artifacts import CLEAN
from harness.decoding.decode import Decoded
from harness.decoding.emergence import Curves, Emergence, Study
from harness.decoding.storage import read_decoded
from harness.decoding.summary import finding, steered_by
from harness.errors import HarnessError, InputError
from harness.runs import REPORT
from harness.store.reader import Trace, open_trace


@dataclass(frozen=True)
class RunRow:
    """One decoded run. S states."""

    run: str
    """Its name in the curves."""
    trace: Path
    prompt: str
    seed: int | None
    generator: str
    steps: int
    """Finished updates."""
    t: NDArray[np.float64]
    """``[S]``."""
    accuracy: Mapping[str, NDArray[np.float64]]
    """Property -> ``[S]`` share of frames decoded right in the clean estimate; without those no frame has."""

    @classmethod
    def of(cls, trace: Trace, decoded: Decoded) -> RunRow:
        """Take what the page shows of one run."""
        accuracy = {}
        for name, part in decoded.properties.items():
            known = np.flatnonzero(part.target >= 0)
            if len(known):
                likeliest = part.probabilities["x1_hat", CLEAN][:, known].argmax(axis=2)
                accuracy[name] = np.asarray((likeliest == part.target[known]).mean(axis=1))
        request = trace.request
        prompt = str(request.get("prompt", ""))
        return cls(
            decoded.run, trace.path, prompt, request.get("seed"), trace.generator_id, trace.steps, decoded.t, accuracy
        )

    def link(self, page: Path) -> str | None:
        """Address of the run's own report as seen from ``page``; None where there is none."""
        report = self.trace.parent / REPORT
        if not report.is_file() or report.resolve() == page.resolve():
            return None
        return quote(Path(os.path.relpath(report.resolve(), page.resolve().parent)).as_posix())


@dataclass(frozen=True)
class Group:
    """Runs that may be averaged over: of one generator, with the same times, steered alike or not at all."""

    runs: Mapping[str, str]
    """Name -> where the trace is."""
    steered: str
    """What steered them, in words; empty if nothing did."""
    curves: Curves

    @classmethod
    def of(cls, emergence: Emergence) -> Group:
        """Take the runs and their curves."""
        return cls(emergence.runs, steered_by(emergence.interventions), emergence.curves())

    @property
    def name(self) -> str:
        """How many runs they are, and what steered them."""
        return (f"{len(self.runs)} runs" if len(self.runs) > 1 else "one run") + self.steered

    def commits(self, run: str, name: str) -> int | None:
        """State by which half of the run's frames have their final decode for good, in the clean estimate."""
        curve = self.curves.get((name, ("x1_hat", CLEAN)))
        if curve is None or run not in curve.run_ids:
            return None
        return int(curve.run_commit_step[curve.run_ids.index(run)])


@dataclass(frozen=True)
class Many:
    """All runs of a page."""

    rows: Sequence[RunRow]
    groups: Sequence[Group]
    """Largest first."""
    skipped: Sequence[tuple[Path, str]]
    """Traces that could not be used, and why."""
    page: Path
    """Where the page will be, for links."""

    @property
    def properties(self) -> Sequence[str]:
        """Properties that any run has."""
        return [*dict.fromkeys(name for row in self.rows for name in row.accuracy)]

    @property
    def finding(self) -> str:
        """What the largest group shows, in one sentence."""
        found = finding(self.groups[0].curves)
        return f"Over {self.groups[0].name}: {found[0].lower()}{found[1:]}"

    def group_of(self, row: RunRow) -> Group:
        """Find the group a run is in."""
        return next(group for group in self.groups if row.run in group.runs)


def gather_many(paths: Sequence[Path], page: Path, progress: Callable[[str, int, int], None] | None = None) -> Many:
    """Read the decodes of all traces, one at a time. Raises ``InputError`` where none of them can be used."""
    study, rows, skipped = Study(), [], []
    for done, path in enumerate(paths):
        if progress is not None:
            progress("read", done, len(paths))
        try:
            with open_trace(path) as trace:
                decoded = read_decoded(trace)
                if decoded is None:
                    raise InputError("it is not decoded; 'harness decode' does that")
                study.add(trace, decoded)
                rows.append(RunRow.of(trace, decoded))
        except HarnessError as error:
            skipped.append((path, str(error)))
    if not rows:
        raise InputError(f"none of the runs can be shown; the first, {skipped[0][0]}: {skipped[0][1]}")
    groups = sorted(map(Group.of, study.groups(least=1)), key=lambda group: -len(group.runs))
    return Many(rows, groups, skipped, page)
