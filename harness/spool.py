"""Keeping the first update's hidden states off the memory, until the trace files can take them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from harness.capture import Fence
from harness.errors import StorageError
from harness.recording import HiddenState


class Spool:
    """Hidden states in an unnamed file, which is gone when closed.

    A trace file can be laid out only when every shape is known, which is after the first update. Raises
    ``StorageError`` for what the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._states: list[tuple[HiddenState, int]] = []

    @property
    def outputs(self) -> dict[str, Tensor]:
        """Per module a tensor of its shape and type, without memory."""
        return {state.name: state.values for state, _ in self._states}

    def add(self, state: HiddenState) -> None:
        """Store one hidden state."""
        state.fence.wait()
        offset = self._file.tell()
        try:
            self._file.write(state.values.contiguous().view(-1).view(torch.uint8).numpy().data)
        except OSError as error:
            raise StorageError(f"cannot write to {self._folder}: {error.strerror}") from error
        empty = state.values.new_empty(()).expand(state.values.shape)
        self._states.append((HiddenState(state.step, state.name, state.branch, empty, state.fence), offset))

    def drain(self) -> Iterator[HiddenState]:
        """Give all of them back, in order and one at a time, then close."""
        for state, offset in self._states:
            values = torch.empty(state.values.shape, dtype=state.values.dtype)
            self._file.seek(offset)
            self._file.readinto(values.view(-1).view(torch.uint8).numpy().data)
            yield HiddenState(state.step, state.name, state.branch, values, Fence(values.device))
        self.close()

    def close(self) -> None:
        """Drop everything; more than once is allowed."""
        self._states.clear()
        self._file.close()
