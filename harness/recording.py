"""From one batch's tensors to its trace files, on a background thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from generators.base import Generation
from harness.capture import Fence
from harness.store.background import Background
from harness.store.format import Layout, Metadata
from harness.store.writer import TraceWriter


@dataclass
class Record:
    """What one update left behind, on the CPU. The last record holds the final state alone."""

    step: int
    x_t: Tensor
    """``[B, T, C]``."""
    velocity: Tensor
    """``[branches and guided, B, T, C]``."""
    relative_norms: Tensor | None = None
    """``[interventions, B]`` float32: size of each intervention's edit, where there are any."""
    fence: Fence | None = None
    """When the copies are whole."""

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.x_t.nbytes + self.velocity.nbytes


@dataclass(frozen=True)
class HiddenState:
    """What one module gave in one branch of one update, on the CPU."""

    step: int
    name: str
    branch: int
    """Position among the branches."""
    values: Tensor
    """``[B, ..., D]``."""
    fence: Fence
    """When the copy is whole."""

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.values.nbytes


CAPACITY_BYTES = 48 << 20
"""Most that waits to be written, save that one hidden state may be larger."""
HELD_UPDATES = 3
"""Most updates that wait: what a killed run loses."""


class Recording:
    """The trace files of one batch, being filled; one metadata and path per request.

    ``submit`` and ``flush`` raise ``StorageError`` once the thread could not write.
    """

    def __init__(self, paths: Sequence[Path], layout: Layout, metadata: Sequence[Metadata], *, force: bool) -> None:
        self._layout = layout
        self._writers: list[TraceWriter] = []
        try:
            for path, about in zip(paths, metadata, strict=True):
                self._writers.append(TraceWriter(path, layout, about, force=force))
        except BaseException:
            self._close_files()
            raise
        self._overflowed: set[str] = set()
        self._background: Background[Record | HiddenState] = Background(
            self._write, capacity=CAPACITY_BYTES, weight=_weight
        )

    def check(self) -> None:
        """Raise what the thread failed with, if it did."""
        self._background.check()

    def submit(self, item: Record | HiddenState) -> None:
        """Queue one hidden state, one update after all its hidden states, or the final state."""
        self._background.submit(item)

    def finish(self, generations: Sequence[Generation], seconds: float) -> None:
        """Wait for the disk, store audio and notes, and mark every trace complete."""
        self._background.close()
        remarks = [
            f"hidden states of {name} go beyond float16 and were stored as infinity; record them as float32"
            for name in sorted(self._overflowed)
        ]
        for writer, generation in zip(self._writers, generations, strict=True):
            writer.finish(generation.audio, seconds, [*generation.notes, *remarks])

    def close(self) -> None:
        """Write what is queued, end the thread, close the files. Raises its error if the thread failed."""
        try:
            self._background.close()
        finally:
            self._close_files()

    def _close_files(self) -> None:
        for writer in self._writers:
            writer.close()

    def _write(self, item: Record | HiddenState) -> None:
        if item.fence is not None:
            item.fence.wait()
        if isinstance(item, HiddenState):
            self._write_hidden(item)
        else:
            self._write_record(item)

    def _write_hidden(self, state: HiddenState) -> None:
        values = state.values.numpy()
        if values.dtype == np.float16 and np.isinf(values).any():
            self._overflowed.add(state.name)
        for index, writer in enumerate(self._writers):
            writer.write_hidden(state.step, state.name, state.branch, values[index])

    def _write_record(self, record: Record) -> None:
        states, velocity = record.x_t.numpy(), record.velocity.numpy()
        for index, writer in enumerate(self._writers):
            if record.step == self._layout.steps:
                writer.write_final(states[index])
            else:
                norms = None if record.relative_norms is None else record.relative_norms[:, index].numpy()
                writer.write_step(record.step, states[index], velocity[:, index], norms)


def _weight(item: Record | HiddenState) -> int:
    """Bytes of an item; an update counts for its share of those that may wait, however small it is."""
    return max(item.nbytes, CAPACITY_BYTES // HELD_UPDATES if isinstance(item, Record) else 0)
