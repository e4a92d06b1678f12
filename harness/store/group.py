"""One HDF5 group being laid out: dimension scales, and datasets whose storage has its place at once.

Written in h5py's low-level calls: a file is laid out in every traced run, and the high-level ones take three times as
long.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

TEXT = h5py.string_dtype()
_BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable. %10d"
"""What netCDF-4 calls a dimension scale without values."""


def set_attribute(owner: Any, name: str, value: str | float) -> None:
    """Give ``owner``, an h5py low-level identifier, an attribute it does not have: a string, int64 or float64."""
    array = np.array(value, dtype=TEXT if isinstance(value, str) else None)
    h5py.h5a.create(owner, name.encode(), _kind(array.dtype), _space(())).write(array)


class NewGroup:
    """A group to be filled with datasets; an axis is named by a scale of the same group, which comes first."""

    def __init__(self, group: h5py.Group) -> None:
        self._id = group.id
        self._scales: dict[str, Any] = {}

    def scale(self, name: str, values: Sequence[Any], dtype: Any = "int64") -> None:
        """Create a dimension scale with its values."""
        array = np.array(list(values), dtype=dtype)
        self._create_scale(name, name, array.shape, array.dtype).write(h5py.h5s.ALL, h5py.h5s.ALL, array)

    def bare_dimension(self, name: str, count: int) -> None:
        """Create a netCDF dimension without values."""
        self._create_scale(name, _BARE_DIMENSION % count, (count,), np.dtype("int8"))

    def steps(self, name: str, axes: tuple[str, ...], shape: tuple[int, ...], dtype: str) -> list[int]:
        """Create a dataset of one chunk a step; return the address of every chunk."""
        dataset = self._allocated(name, axes, shape, dtype, chunks=(1, *shape[1:]))
        start = (0,) * (len(shape) - 1)
        return [dataset.get_chunk_info_by_coord((k, *start)).byte_offset for k in range(shape[0])]

    def whole(self, name: str, axes: tuple[str, ...], shape: tuple[int, ...], dtype: str) -> list[int]:
        """Create a dataset in one piece; return its address."""
        return [self._allocated(name, axes, shape, dtype).get_offset()]

    def _create_scale(self, name: str, label: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        scale = h5py.h5d.create(self._id, name.encode(), _kind(dtype), _space(shape))
        set_attribute(scale, "units", "1")
        h5py.h5ds.set_scale(scale, label.encode())
        self._scales[name] = scale
        return scale

    def _allocated(
        self,
        name: str,
        axes: tuple[str, ...],
        shape: tuple[int, ...],
        dtype: str,
        chunks: tuple[int, ...] | None = None,
    ) -> Any:
        """Create a dataset whose storage has its place in the file at once, without filling it."""
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if chunks is not None:
            properties.set_chunk(chunks)
        dataset = h5py.h5d.create(self._id, name.encode(), _kind(np.dtype(dtype)), _space(shape), dcpl=properties)
        set_attribute(dataset, "units", "1")
        for axis, scale in enumerate(axes):
            h5py.h5ds.attach_scale(dataset, self._scales[scale], axis)
        return dataset


@functools.cache
def _kind(dtype: np.dtype[Any]) -> Any:
    return h5py.h5t.py_create(dtype, logical=True)


@functools.lru_cache(maxsize=16)
def _space(shape: tuple[int, ...]) -> Any:
    return h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
