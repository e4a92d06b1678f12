"""Shuffled batches from a data set that need not fit in memory, each a function of the step alone.

That the k-th batch depends on nothing but (data, seed, k) is what makes an interrupted training repeatable.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from analysis.sae.config import SAEError

_BLOCK_ROWS = 4096
"""Rows read from the data set in one piece."""


class Rows(Protocol):
    """A numpy array, memory map or HDF5 data set ``[N, d]`` of floats."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, d)``."""

    def __getitem__(self, rows: slice) -> Any:
        """Return rows as something numpy can turn into an array."""


def read_rows(data: Rows, start: int, stop: int) -> Tensor:
    """Read rows ``start`` to ``stop`` as float32."""
    return torch.from_numpy(np.array(data[start:stop], dtype=np.float32))


def read_blocks(data: Rows) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, rows) over the whole data set in order."""
    if len(data.shape) != 2:
        raise SAEError(f"SAE data must be [rows, d_in]; got shape {tuple(data.shape)}")
    for start in range(0, data.shape[0], _BLOCK_ROWS):
        yield start, read_rows(data, start, min(start + _BLOCK_ROWS, data.shape[0]))


class ShuffledBatches:
    """Batches ``[batch_size, d]`` in an order fixed by the seed; a new order every epoch.

    Rows are read in blocks, and blocks dealt out to buffers of about ``buffer_rows``, one of which is in memory at a
    time. An epoch visits the buffers in a new order and each one's rows in a new order. A data set that fits into one
    buffer is read once and shuffled fully. Rows that do not fill a buffer's last batch wait for another epoch.
    """

    def __init__(self, data: Rows, batch_size: int, seed: int, *, buffer_rows: int = 2**20) -> None:
        if len(data.shape) != 2 or not data.shape[0]:
            raise SAEError(f"SAE data must be [rows, d_in] with at least one row; got shape {tuple(data.shape)}")
        if batch_size < 1:
            raise SAEError(f"batch_size must be at least 1; got {batch_size}")
        self.batch_size = min(batch_size, data.shape[0])
        """Rows per batch; never more than there are."""
        self._data = data
        self._seed = seed
        starts = range(0, data.shape[0], _BLOCK_ROWS)
        count = min(-(-data.shape[0] // max(buffer_rows, _BLOCK_ROWS, 2 * batch_size)), len(starts))
        # Dealing blocks out like cards gives every buffer a share of every part of the data set.
        self._buffers = [[(s, min(s + _BLOCK_ROWS, data.shape[0])) for s in starts[i::count]] for i in range(count)]
        self._batches = [sum(b - a for a, b in blocks) // self.batch_size for blocks in self._buffers]
        self.steps_per_epoch = sum(self._batches)
        """Batches after which (nearly) every row has been seen once more."""

    def batch(self, step: int) -> Tensor:
        """Return the batch of ``step``, counted from 0: float32 ``[batch_size, d]``."""
        epoch, position = divmod(step, self.steps_per_epoch)
        for buffer in self._permutation(len(self._buffers), epoch):
            if position < self._batches[buffer]:
                break
            position -= self._batches[buffer]
        rows, order = self._load(buffer), self._order(epoch, buffer)
        return rows[order[position * self.batch_size : (position + 1) * self.batch_size]]

    def _permutation(self, count: int, *key: int) -> np.ndarray:
        return np.random.default_rng((self._seed, *key)).permutation(count)

    @lru_cache(maxsize=1)  # noqa: B019 (one buffer, and it goes when the batches do)
    def _load(self, buffer: int) -> Tensor:
        return torch.cat([read_rows(self._data, start, stop) for start, stop in self._buffers[buffer]])

    @lru_cache(maxsize=1)  # noqa: B019
    def _order(self, epoch: int, buffer: int) -> Tensor:
        return torch.from_numpy(self._permutation(len(self._load(buffer)), epoch, int(buffer)))
