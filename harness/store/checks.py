"""Opening parts of an HDF5 file that may be damaged or hostile: everything wrong becomes a ``TraceError``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from harness.errors import InputError, TraceError


@contextmanager
def faults(path: str | Path) -> Iterator[None]:
    """Turn what HDF5, NumPy and JSON raise over a damaged file into a ``TraceError`` that names ``path``."""
    try:
        yield
    except (TraceError, InputError):
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise TraceError(f"{path} is damaged: {error}") from error


def attribute(file: h5py.File, name: str, kind: Literal["string", "int64", "float64"]) -> Any:
    """Read a root attribute: a string or a number.

    Its type is looked at before its value, because HDF5 can crash on a damaged value of another type.
    """
    path, attributes = file.filename, file.attrs
    if name not in attributes:
        raise TraceError(f"{path} is damaged: root attribute {name!r} is missing")
    stored = attributes.get_id(name)
    text = stored.get_type()
    variable = isinstance(text, h5py.h5t.TypeStringID) and text.is_variable_str()
    if stored.shape != () or not (variable if kind == "string" else stored.dtype.name == kind):
        raise TraceError(f"{path} is damaged: root attribute {name!r} is {stored.dtype} {stored.shape}, not one {kind}")
    value = attributes[name]
    return value if kind == "string" else value.item()


def dataset(group: h5py.Group, name: str, kinds: Sequence[str], shape: tuple[int | None, ...]) -> h5py.Dataset:
    """Get a plain dataset of ``group``, of one of the dtypes or NumPy kind letters ``kinds``, and of ``shape``.

    None in ``shape`` allows any length of at least 1. Links out of the file, filters and external or virtual storage
    are refused, as is storage smaller than the shape says, so a small file cannot make a reader allocate a lot.
    """
    where = f"{group.name.rstrip('/')}/{name}"
    link = group.get(name, getlink=True)
    if link is None:
        raise TraceError(f"{group.file.filename} is damaged: {where} is missing")
    found = group[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset):
        raise TraceError(f"{group.file.filename} is damaged: {where} is not a dataset of this file")
    if found.dtype.name not in kinds and found.dtype.kind not in kinds:
        raise TraceError(f"{group.file.filename} is damaged: {where} is {found.dtype}; allowed: {', '.join(kinds)}")
    same_rank = len(found.shape) == len(shape)
    if not same_rank or any(n < 1 or (m is not None and n != m) for n, m in zip(found.shape, shape, strict=True)):
        wanted = "x".join("any" if m is None else str(m) for m in shape) or "one number"
        raise TraceError(f"{group.file.filename} is damaged: {where} has shape {found.shape}, not {wanted}")
    properties = found.id.get_create_plist()
    foreign = found.is_virtual or properties.get_external_count() or properties.get_nfilters()
    # Strings of variable length (kind "O") lie in a heap, so their storage says nothing.
    short = found.dtype.kind != "O" and found.id.get_storage_size() < found.size * found.dtype.itemsize
    if foreign or short:
        raise TraceError(f"{group.file.filename} is damaged: the storage of {where} is not that of a trace")
    return found


def names(group: h5py.Group, name: str) -> tuple[str, ...]:
    """Read a dimension scale of strings."""
    return tuple(str(text) for text in dataset(group, name, ("O",), (None,)).asstr()[()])


def scalar(group: h5py.Group, name: str, kind: str = "int64") -> Any:
    """Read a single value."""
    value: np.generic = dataset(group, name, (kind,), ())[()]
    return value.item()
