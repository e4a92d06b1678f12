"""The timing study: the same change asked for in each window of t, over many prompts and seeds; resumable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.steering import TimingMap, timing_map
from generators.base import Generator
from harness import pipeline, runs
from harness.decoding.artifacts import CLEAN, Artifacts, latents_of, require_shipped
from harness.decoding.decode import decode
from harness.decoding.emergence import Curves, Emergence
from harness.decoding.storage import read_decoded, store
from harness.errors import InputError
from harness.interventions.bind import bind
from harness.steering.arms import compare_all, natural_latents, target_of
from harness.steering.outcome import Outcome, generate_outcomes, read_outcome
from harness.steering.timing_config import TimingConfig
from harness.steering.timing_folder import TABLE, StudyFolder
from harness.store.reader import open_trace


@dataclass(frozen=True)
class TimingStudy:
    """A finished study."""

    out: Path
    maps: Mapping[str, TimingMap]
    """Steered property -> its map."""
    curves: Curves
    """Emergence of every property over the same runs, unsteered."""

    @property
    def table(self) -> Path:
        """Path of the table."""
        return self.out / TABLE

    def to_json(self) -> dict[str, Any]:
        """Return every map beside the emergence of the same property, JSON-ready."""
        return {name: {**found.to_json(), "emergence": self._emergence(name)} for name, found in self.maps.items()}

    def _emergence(self, name: str) -> dict[str, Any]:
        return {
            view: {"half_t": curve.half_t.to_json(), "commit_t": curve.commit_t}
            for (of, (view, how)), curve in self.curves.items()
            if of == name and how == CLEAN
        }


def run_timing(
    generator: Generator,
    config: TimingConfig,
    out: Path,
    *,
    artifacts: Artifacts | None = None,
    force: bool = False,
    progress: pipeline.Progress | None = None,
) -> TimingStudy:
    """Run a study, or what is missing of one that was stopped, and write its table.

    ``out`` holds ``study.json`` (what was asked for), ``baseline/`` (traces of the unsteered runs), ``cells/`` (a file
    for every window, strength and property) and at the end ``timing.csv`` and ``timing.json``. Whenever it is stopped,
    what is there stays, and the same call goes on from it.

    Raises
    ------
    InputError, RequestError
        For what cannot be generated or edited, before the first step.
    ExistsError, StorageError
        When ``out`` holds another study (and ``force`` is not given), cannot be written, or is being written to.
    """
    _check_windows(generator, config)
    for cell in config.cells():
        bind([config.intervention(cell)], generator, config.requests, artifacts)
    folder = StudyFolder(out)
    folder.open(generator, config, force=force)
    missing = [cell for cell in config.cells() if not folder.has(cell)]
    count = len(config.requests)

    with runs.locked(out):
        baselines, curves = _baselines(generator, config, folder, artifacts, progress)
        natural = natural_latents(baselines)
        for done, cell in enumerate(missing):
            edits = [config.intervention(cell)]

            def show(runs_done: int, done: int = done) -> None:
                if progress is not None:
                    progress("timing", done * count + runs_done, len(missing) * count)

            show(0)
            made = generate_outcomes(generator, config.requests, edits, artifacts, progress=show)
            folder.store(cell, compare_all(baselines, made, target_of(edits), natural))
        study = TimingStudy(out, {name: _map(folder, config, name) for name in config.properties}, curves)
        folder.write_result(study.maps, study.to_json())
    return study


def read_study(out: Path) -> TimingStudy:
    """Read a finished study from its folder. Raises ``InputError`` for one that is damaged or not finished."""
    folder, emergence = StudyFolder(out), Emergence()
    config = folder.config()
    if not (out / TABLE).is_file() or not all(map(folder.has, config.cells())):
        raise InputError(f"{out} holds a timing study that is not finished; the same 'harness timing' goes on from it")
    for path in folder.traces(config):
        with open_trace(path) as trace:
            decoded = read_decoded(trace)
            if decoded is None:
                raise InputError(f"{path} is not decoded; give the 'harness timing' command of the study again")
            emergence.add(decoded, str(path))
    return TimingStudy(out, {name: _map(folder, config, name) for name in config.properties}, emergence.curves())


def _check_windows(generator: Generator, config: TimingConfig) -> None:
    """Refuse more windows than updates: some would act at the same one."""
    updates = min(len(generator.plan(request).times) - 1 for request in config.requests)
    if config.windows > updates:
        raise InputError(f"{config.windows} windows do not fit {updates} updates; give fewer windows or more steps")


def _map(folder: StudyFolder, config: TimingConfig, name: str) -> TimingMap:
    cells = {(c.window, c.strength): folder.load(c) for c in config.cells() if c.property == name}
    return timing_map(config.edges(), config.strengths, cells)


def _baselines(
    generator: Generator,
    config: TimingConfig,
    folder: StudyFolder,
    artifacts: Artifacts | None,
    progress: pipeline.Progress | None,
) -> tuple[list[Outcome], Curves]:
    """Generate the unsteered runs, or read those that are there, and decode every step of them."""
    emergence, outcomes = Emergence(), []
    traces = folder.traces(config)
    if not all(_complete(path) for path in traces):
        pipeline.run(generator, config.requests, folder.baseline, trace=True, force=True, progress=progress)
    for path in traces:
        with open_trace(path) as trace:
            outcomes.append(read_outcome(trace))
            decoded = read_decoded(trace)
            if decoded is None:
                decoded = decode(trace, artifacts or require_shipped(latents_of(trace)), generator.codec)
                store(trace, decoded)
            emergence.add(decoded, str(path))
    return outcomes, emergence.curves()


def _complete(path: Path) -> bool:
    if not path.is_file():
        return False
    with open_trace(path) as trace:
        return trace.complete
