"""Per-step arrays of an open trace, read when they are indexed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.store import checks
from harness.store.format import DTYPES


class StepArray:
    """One array per step; ``len`` counts what has been written."""

    def __init__(self, dataset: h5py.Dataset, count: int, lead: tuple[int, ...] = ()) -> None:
        self._dataset = dataset
        self._lead = lead
        self.shape: tuple[int, ...] = (count, *dataset.shape[1 + len(lead) :])
        """Shape of what has been written, step axis first."""
        self.dtype: np.dtype[Any] = dataset.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[k] for k in range(len(self)))

    @overload
    def __getitem__(self, step: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, step: slice) -> NDArray[Any]: ...
    def __getitem__(self, step: int | slice) -> NDArray[Any]:
        """Read one step, or a slice of steps stacked along a first axis."""
        if isinstance(step, slice):
            chosen = range(len(self))[step]
            return np.stack([self[k] for k in chosen]) if chosen else np.empty((0, *self.shape[1:]), self.dtype)
        if not self._dataset:
            raise ValueError("the trace has been closed; open it again")
        if not -len(self) <= step < len(self):
            raise IndexError(f"{self._dataset.name.strip('/')}[{step}] is not there; {len(self)} steps were recorded")
        with checks.faults(self._dataset.file.filename):
            found: NDArray[Any] = self._dataset[(step % len(self), *self._lead)]
        return found


class HiddenStates:
    """Captured outputs of one module."""

    def __init__(self, group: h5py.Group, finished: int) -> None:
        planned = checks.dataset(group, "step", ("int64",), (None,))[()]
        self.branches: tuple[str, ...] = checks.names(group, "branch")
        self.axes: tuple[str, ...] = _axes(group)
        """Names of the axes of one output: ``("frame", "feature")`` for a transformer block."""
        scales = {axis: checks.dataset(group, axis, ("int64",), (None,)) for axis in self.axes}
        lengths = (len(scale) for scale in scales.values())
        values = checks.dataset(group, "values", DTYPES, (len(planned), len(self.branches), *lengths))
        self.steps: tuple[int, ...] = tuple(int(k) for k in planned if k < finished)
        """Captured updates that are finished."""
        self.indices: NDArray[np.int64] = scales[self.axes[0]][()]
        """Kept indices along the first axis: latent frames where that is ``"frame"``."""
        self.shape: tuple[int, ...] = values.shape
        """``[captured steps, branches, ..., D]`` as planned."""
        self.dtype: np.dtype[Any] = values.dtype
        self._values = {
            branch: StepArray(values, len(self.steps), (index,)) for index, branch in enumerate(self.branches)
        }

    def __len__(self) -> int:
        return len(self.steps)

    def of(self, branch: str = "cond") -> StepArray:
        """Give the outputs of one branch; index ``i`` belongs to update ``steps[i]``."""
        if branch not in self._values:
            raise InputError(f"no branch {branch!r} was recorded; there are {', '.join(self.branches)}")
        return self._values[branch]

    def at(self, step: int, branch: str = "cond") -> NDArray[Any]:
        """Read the output ``[..., D]`` at update ``step``. Raises ``InputError`` for a step that was not captured."""
        if step not in self.steps:
            raise InputError(f"step {step} was not captured; there are {', '.join(map(str, self.steps)) or 'none'}")
        return self.of(branch)[self.steps.index(step)]


def _axes(group: h5py.Group) -> tuple[str, ...]:
    """Names of the inner axes, in order, from the dimension scales of ``values``."""
    scales = [dim[0].name.rpartition("/")[2] for dim in group["values"].dims]
    return tuple(scales[2:])
