"""Filling a trace file: its structure is laid down first, then nothing but raw bytes at fixed addresses.

HDF5 keeps its own metadata in memory and writes it when it likes, so a process that dies while a file is open for
writing usually leaves a broken one, and a disk that fills up can take the process down. Here HDF5 builds the structure
in memory (``structure.py``) and is closed before the first number arrives; everything reaches the disk by ``pwrite``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ExistsError, StorageError
from harness.files import whole
from harness.store.format import RESULT_BYTES, Layout, Metadata, to_json
from harness.store.structure import build


class TraceWriter:
    """An open trace file whose structure is complete.

    Not thread-safe: one thread writes at a time. Every method raises ``StorageError`` for what the disk refuses, and
    the steps written before stay readable. Creating one raises ``ExistsError`` when ``path`` is there and ``force`` is
    not given.
    """

    def __init__(self, path: Path, layout: Layout, metadata: Metadata, *, force: bool = False) -> None:
        if path.exists() and not force:
            raise ExistsError(f"{path} is already there; give another place, or force to replace it")
        self.path = path
        self.layout = layout
        self._progress = 0
        structure, self._addresses = build(layout, metadata)
        self._file = -1
        try:
            with whole(path) as part:
                self._file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
                os.truncate(self._file, structure.size)
                for offset, content in structure.extents():
                    self._put(content, offset)
        except BaseException:
            self.close()
            raise

    def write_step(
        self,
        step: int,
        x_t: np.ndarray[Any, Any],
        velocity: np.ndarray[Any, Any],
        relative_norms: np.ndarray[Any, Any] | None = None,
    ) -> None:
        """Write states and velocities of update ``step``, then count it; its hidden states come before.

        Parameters
        ----------
        x_t
            ``[T, C]`` in the layout's dtype.
        velocity
            ``[b, T, C]`` in the same dtype, in the order of ``layout.velocities``.
        relative_norms
            float32 ``[interventions]``, where there are any.
        """
        if relative_norms is not None:
            self._write("interventions/relative_norm", step, relative_norms)
        self._write("velocity", step, velocity)
        self._write("x_t", step, x_t)
        self._count(step + 1)

    def write_hidden(self, step: int, name: str, branch: int, values: np.ndarray[Any, Any]) -> None:
        """Write what module ``name`` gave, ``[..., D]``, at update ``step`` in the ``branch``-th of the branches."""
        steps = next(module.steps for module in self.layout.hidden if module.name == name)
        self._write(f"hidden/{name}/values", steps.index(step), values, shift=branch * values.nbytes)

    def write_final(self, x_t: np.ndarray[Any, Any]) -> None:
        """Write the final state ``[T, C]`` and count it."""
        self._write("x_t", self.layout.steps, x_t)
        self._count(self.layout.steps + 1)

    def finish(self, audio: np.ndarray[Any, Any], seconds: float, notes: Sequence[str]) -> None:
        """Write ``audio`` ``[channels, N]`` and the remarks, then mark the trace complete."""
        room = (self.layout.audio_channels, self.layout.audio_samples)
        if audio.ndim != 2 or audio.shape[0] != room[0] or audio.shape[1] > room[1]:
            raise ValueError(f"audio has shape {audio.shape}; the trace has room for {room} (channels, samples)")
        for channel, row in enumerate(audio):
            self._write("audio/values", 0, row, shift=channel * room[1] * 4)
        self._write("audio/length_samples", 0, np.int64(audio.shape[1]))
        self._write("result", 0, _result(seconds, notes))
        self._write("complete", 0, np.int64(1))

    def close(self) -> None:
        """Close the file; more than once is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _count(self, progress: int) -> None:
        self._write("progress", 0, np.int64(progress))
        self._progress = progress

    def _write(self, name: str, index: int, values: np.ndarray[Any, Any] | np.int64, shift: int = 0) -> None:
        """Write ``values`` at the ``index``-th address of dataset ``name``, plus ``shift`` bytes."""
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        try:
            self._put(data, self._addresses[name][index] + shift)
        except OSError as error:
            raise StorageError(
                f"cannot write {name} to {self.path}: {error.strerror}; the {self._progress} finished steps stay "
                "readable. Free some space or give another place, and run again"
            ) from error

    def _put(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data`` at ``offset``."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._file, rest, offset)
            rest, offset = rest[written:], offset + written


def _result(seconds: float, notes: Sequence[str]) -> np.ndarray[Any, Any]:
    """JSON of what is known at the end; the last notes are dropped where they do not fit."""
    kept = list(notes)
    while len(text := to_json({"seconds": seconds, "notes": kept}).encode()) > RESULT_BYTES:
        kept.pop()
    return np.frombuffer(text, np.uint8)
