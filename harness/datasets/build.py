"""Building a data set: units of input through several processes into shards, shards into one file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from threadpoolctl import threadpool_limits

from harness.datasets.assemble import assemble
from harness.datasets.format import Classes, Part, Plan, Skipped
from harness.datasets.shards import Shards
from harness.errors import HarnessError, InputError, StorageError
from harness.files import check_output_file
from harness.provenance import versions
from harness.runs import locked

Progress = Callable[[str, int, int], None]


class Unit(Protocol):
    """A piece of input that is worked on at once; can be sent to another process."""

    @property
    def name(self) -> str:
        """What messages call it; unique in a build."""

    @property
    def version(self) -> str:
        """Changes when the input does."""


UnitT = TypeVar("UnitT", bound=Unit, contravariant=True)


class Collector(Protocol[UnitT]):
    """Turns units into parts; can be sent to another process."""

    def collect(self, unit: UnitT) -> list[Part]:
        """Return what a unit adds. Raises ``ValueError`` saying why it cannot be used."""


@dataclass(frozen=True)
class Build:
    """What a finished build gave."""

    paths: tuple[Path, ...]
    """The data set, or one for each layer."""
    collected: int
    """Units that are in the data set."""
    resumed: int
    """How many of them an earlier, interrupted build had finished."""
    skipped: tuple[Skipped, ...]
    """Inputs that could not be used, and why."""


def build(
    units: Sequence[UnitT],
    collector: Collector[UnitT],
    plan: Plan,
    out: Path,
    *,
    workers: int = 1,
    strict: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    classes: Classes | None = None,
) -> Build:
    """Build the data set ``out``, or finish a build that was interrupted.

    The file does not depend on the number of workers. A unit that cannot be used is skipped, or with ``strict`` ends
    the build. What was finished by then stays, in a hidden folder beside ``out``. A plan with several layers makes a
    data set for each, in one pass. ``classes`` are what files as a whole are, kept beside the rows.

    Raises
    ------
    ExistsError
        When ``out`` is there and ``force`` is not given.
    InputError
        When there are no usable units, one is unusable and ``strict`` is given, or the unfinished build beside
        ``out`` had other settings.
    StorageError
        When the disk is full or another process builds the same data set.
    """
    outputs = plan.outputs(out)
    for output in outputs:
        check_output_file(output.path, force=force)
    if not units:
        raise InputError("there is nothing to build a data set of; give files or folders with audio in them")
    shards = Shards.of(out)
    try:
        shards.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write to {out.parent}: {error.strerror}") from error
    with locked(shards.folder):
        shards.begin(plan, anew=force)
        waiting = [unit for unit in units if not shards.has(unit.name, unit.version)]
        resumed, skipped = len(units) - len(waiting), []
        with closing(_collect(waiting, collector, shards, workers)) as outcomes:
            for done, fault in enumerate(outcomes, start=resumed + 1):
                if progress is not None:
                    progress("collecting", done, len(units))
                if fault is not None and strict:
                    if not shards.any():
                        shards.remove()
                    raise InputError(f"{fault.name}: {fault.reason} (--strict; without it such inputs are left out)")
                skipped += [fault] if fault is not None else []
        left_out = {fault.name for fault in skipped}
        kept = [unit.name for unit in units if unit.name not in left_out]
        skipped.sort(key=lambda fault: fault.name)
        if not kept:
            shards.remove()
            raise InputError(f"none of the {len(units)} inputs can be used; {skipped[0].name}: {skipped[0].reason}")
        for output in outputs:
            assemble(output, shards, kept, skipped, versions(), classes)
        shards.remove()
    return Build(tuple(output.path for output in outputs), len(kept), resumed, tuple(skipped))


def _collect(
    units: Sequence[UnitT], collector: Collector[UnitT], shards: Shards, workers: int
) -> Generator[Skipped | None, None, None]:
    """Write the shards of all units, yielding once a unit what was wrong with it."""
    work = partial(_collect_one, collector, shards)
    if workers == 1 or len(units) < 2:
        # Properties multiply small matrices, at which a second thread only burns time.
        with threadpool_limits(1, "blas"):
            yield from map(work, units)
        return
    # spawn: a process forked from one that has run torch may hang in its thread pool.
    pool = ProcessPoolExecutor(
        min(workers, len(units)), multiprocessing.get_context("spawn"), initializer=_prepare_worker
    )
    try:
        futures: list[Future[Skipped | None]] = [pool.submit(work, unit) for unit in units]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise HarnessError(
            "a worker process died, perhaps for want of memory; the same command continues, try fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, end with it even if it is killed, and use one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    threadpool_limits(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _collect_one(collector: Collector[UnitT], shards: Shards, unit: UnitT) -> Skipped | None:
    try:
        parts = collector.collect(unit)
    except ValueError as error:
        return Skipped(unit.name, " ".join(str(error).split()))
    shards.write(unit.name, unit.version, parts)
    return None
