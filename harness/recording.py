"""From one batch's tensors to its trace files, on a background thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    hidden: dict[str, Tensor] = field(default_factory=dict)
    """Module path -> ``[branches, B, ..., D]``."""
    relative_norms: Tensor | None = None
    """``[interventions, B]`` float32: size of each intervention's edit, where there are any."""
    fence: Fence | None = None
    """When the copies are whole."""


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
        self._background = Background(self._write)

    def check(self) -> None:
        """Raise what the thread failed with, if it did."""
        self._background.check()

    def submit(self, record: Record) -> None:
        """Queue one update or the final state."""
        self._background.submit(record)

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

    def _write(self, record: Record) -> None:
        if record.fence is not None:
            record.fence.wait()
        states, velocity = record.x_t.numpy(), record.velocity.numpy()
        hidden = {name: outputs.numpy() for name, outputs in record.hidden.items()}
        self._overflowed |= {
            name for name, outputs in hidden.items() if outputs.dtype == np.float16 and np.isinf(outputs).any()
        }
        for index, writer in enumerate(self._writers):
            if record.step == self._layout.steps:
                writer.write_final(states[index])
            else:
                own = {name: outputs[:, index] for name, outputs in hidden.items()}
                norms = None if record.relative_norms is None else record.relative_norms[:, index].numpy()
                writer.write_step(record.step, states[index], velocity[:, index], own, norms)
