"""Reading a data set: the head is checked when it is opened, rows are read when they are indexed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.source import Source
from harness.datasets.format import FORMAT, FORMAT_VERSION, FileRecord, Skipped
from harness.errors import DatasetError, InputError


def open_dataset(path: str | Path) -> Dataset:
    """Open a data set file.

    Raises ``InputError`` when there is no such file, ``DatasetError`` for one that is not a data set, damaged,
    unfinished, or of a newer format.
    """
    return Dataset(Path(path))


class Rows:
    """A stretch of the vectors, ``[n, d_in]``, read when sliced; what ``analysis.sae`` trains on."""

    def __init__(self, vectors: h5py.Dataset, start: int, stop: int) -> None:
        self._vectors, self._start = vectors, start
        self.shape = (stop - start, vectors.shape[1])
        """``(n, d_in)``."""

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Read a slice of step 1."""
        start, stop, _ = rows.indices(self.shape[0])
        found: NDArray[np.float32] = self._vectors[self._start + start : self._start + stop]
        return found


class Dataset:
    """One data set. Closes with ``close`` or at the end of a ``with``. N rows, ordered by split, then by file."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"{path} is not a file; give a data set that 'harness dataset build' wrote")
        self.path = path
        with _faults(path):
            self._file = h5py.File(path, "r")
            _check_format(self._file, path)
            plan = json.loads(self._file.attrs["plan"])
            self.source = Source.from_json(plan["source"])
            """What the vectors are."""
            self.frame_rate_hz: float = plan["frame_rate_hz"]
            self.sample_rate_hz: int = plan["sample_rate_hz"]
            self.times: tuple[float, ...] = tuple(plan["times"])
            """The t at which vectors were taken, ascending; ``(1.0,)`` for clean latents."""
            self.properties: dict[str, dict[str, Any]] = json.loads(self._file.attrs["properties"])
            """Labelled properties: name -> ``unit``, ``tolerance``, ``components``."""
            self.files: list[FileRecord] = _records(self._file["files"])
            skipped = self._file["skipped"]
            self.skipped = [
                Skipped(*pair) for pair in zip(*(_texts(skipped[n]) for n in ("name", "reason")), strict=True)
            ]
            """Inputs that were left out, and why."""
            self.codec: dict[str, Any] | None = plan.get("codec")
            """How the codec of latents was loaded; None for other vectors, and in files older than format 1.2."""
            self.pool: str = plan.get("pool", "frames")
            """``mean`` when a row is the mean over a file's frames."""
            self.classes: dict[str, list[str]] = {
                name: _texts(column) for name, column in self._file.get("classes", {}).items()
            }
            """What files are: name of the class label -> class of every file, empty where it has none."""
            self._counts = np.array([file.rows for file in self.files])
            self._vectors = self._file["vectors"]
            if self._vectors.shape != (self._counts.sum(), self.source.d_in):
                raise DatasetError(f"{path} is damaged: vectors are {self._vectors.shape}; build it again")

    def rows(self, split: str | None = None) -> Rows:
        """Vectors of one split, or all. Raises ``InputError`` when the split is empty."""
        if split is None:
            return Rows(self._vectors, 0, len(self._vectors))
        inside = np.flatnonzero(self.split == split)
        if not len(inside):
            raise InputError(f"{self.path} has no {split} files ({len(self.files)} files in all); add files")
        return Rows(self._vectors, int(inside[0]), int(inside[-1]) + 1)

    @property
    def split(self) -> NDArray[np.str_]:
        """Split of every row, ``[N]``."""
        return np.repeat(np.array([file.split for file in self.files]), self._counts)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Group of every row, ``[N]``: rows of one group are never in two splits."""
        return np.repeat(np.array([file.group for file in self.files]), self._counts)

    @property
    def t(self) -> NDArray[np.float32]:
        """Time of every row, ``[N]``."""
        with _faults(self.path):
            found: NDArray[np.float32] = self._file["t"][()]
        return found

    def labels(self, name: str) -> NDArray[np.float32]:
        """Values of a property, ``[N]`` or ``[N, D]``, NaN where it does not exist."""
        if name not in self.properties:
            raise InputError(f"{self.path} has no labels of {name!r}; it has {', '.join(self.properties)}")
        with _faults(self.path):
            found: NDArray[np.float32] = self._file["labels"][name][()]
        return found

    def class_of(self, name: str) -> NDArray[np.str_]:
        """Class of every row, ``[N]``, empty where it has none. Raises ``InputError`` for an unknown class label."""
        if name not in self.classes:
            known = ", ".join(self.classes) or "none; give 'harness dataset build' --labels"
            raise InputError(f"{self.path} has no class label {name!r}; it has {known}")
        return np.repeat(np.array(self.classes[name]), self._counts)

    def close(self) -> None:
        """Close the file; more than once is allowed."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise DatasetError(f"{path} is an HDF5 file but not a data set of this program")
    version = str(file.attrs.get("format_version"))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise DatasetError(f"{path} has data set format {version}; this version reads {FORMAT_VERSION}")
    if not file.attrs.get("complete"):
        raise DatasetError(f"{path} is unfinished; build it again")


def _records(files: h5py.Group) -> list[FileRecord]:
    columns = [
        _texts(files[item.name]) if item.type == "str" else files[item.name][()].tolist() for item in fields(FileRecord)
    ]
    return [FileRecord(*row) for row in zip(*columns, strict=True)]


def _texts(dataset: h5py.Dataset) -> list[str]:
    return [str(text) for text in dataset.asstr()[()]]


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Turn what h5py and missing parts raise into ``DatasetError``."""
    try:
        yield
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise DatasetError(f"{path} is not a data set, or it is damaged ({error}); build it again") from error
