"""Writing a trace: the whole HDF5 structure first, then nothing but raw bytes at fixed addresses.

HDF5 keeps its own metadata in memory and writes it when it likes, so a process that dies while a file is open for
writing usually leaves a broken one. Here HDF5 is closed before the first number arrives; the numbers go to the file by
``pwrite`` at the addresses HDF5 reported. See ``docs/trace-format.md``.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from harness.errors import ExistsError, StorageError
from harness.files import whole
from harness.store.format import FORMAT, FORMAT_VERSION, RESULT_BYTES, HiddenLayout, Layout, Metadata, to_json

_BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable. %10d"
"""What netCDF-4 calls a dimension scale without values."""


class TraceWriter:
    """An open trace file whose structure is complete; ``create`` makes one.

    Not thread-safe: one thread writes at a time. Every method raises ``StorageError`` for what the disk refuses, and
    the steps written before stay readable.
    """

    def __init__(self, path: Path, layout: Layout, addresses: Mapping[str, list[int]]) -> None:
        self.path = path
        self.layout = layout
        self._addresses = addresses
        self._file = os.open(path, os.O_RDWR)
        self._progress = 0

    @classmethod
    def create(cls, path: Path, layout: Layout, metadata: Metadata, *, force: bool = False) -> TraceWriter:
        """Create the file. Raises ``ExistsError`` when it is there and ``force`` is not given, ``StorageError``."""
        if path.exists() and not force:
            raise ExistsError(f"{path} is already there; give another place, or force to replace it")
        with whole(path) as part:
            # The oldest layout has no checksums over attributes, which lets `complete` be set by overwriting its bytes.
            with h5py.File(part, "w", libver="earliest") as file:
                mark = _write_attributes(file, metadata)
                addresses = _write_structure(file, layout)
            addresses["complete"] = [_find_complete(part, mark)]
        return cls(path, layout, addresses)

    def write_step(
        self,
        step: int,
        x_t: np.ndarray[Any, Any],
        velocities: Sequence[np.ndarray[Any, Any]],
        hidden: Mapping[str, Sequence[np.ndarray[Any, Any]]],
    ) -> None:
        """Write everything of update ``step``, then count it.

        Parameters
        ----------
        x_t
            ``[T, C]`` in the layout's dtype.
        velocities
            One ``[T, C]`` per name of ``layout.velocities``.
        hidden
            Module path -> one array of the layout's shape per branch; modules captured at this step only.
        """
        for module in self.layout.hidden:
            if module.name in hidden:
                self._write(f"hidden/{module.name}/values", module.steps.index(step), hidden[module.name])
        self._write("velocity", step, velocities)
        self._write("x_t", step, [x_t])
        self._count(step + 1)

    def write_final(self, x_t: np.ndarray[Any, Any]) -> None:
        """Write the final state ``[T, C]`` and count it."""
        self._write("x_t", self.layout.steps, [x_t])
        self._count(self.layout.steps + 1)

    def finish(self, audio: np.ndarray[Any, Any], seconds: float, notes: Sequence[str]) -> None:
        """Write ``audio`` ``[channels, N]`` and the remarks, then mark the trace complete."""
        room = (self.layout.audio_channels, self.layout.audio_samples)
        if audio.ndim != 2 or audio.shape[0] != room[0] or audio.shape[1] > room[1]:
            raise ValueError(f"audio has shape {audio.shape}; the trace has room for {room} (channels, samples)")
        for channel, row in enumerate(audio):
            self._write("audio/values", 0, [row], shift=channel * room[1] * 4)
        self._write("audio/length_samples", 0, [np.int64(audio.shape[1])])
        self._write("result", 0, [_result(seconds, notes)])
        self._write("complete", 0, [np.int64(1)])

    def close(self) -> None:
        """Close the file; more than once is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _count(self, progress: int) -> None:
        self._write("progress", 0, [np.int64(progress)])
        self._progress = progress

    def _write(self, name: str, index: int, parts: Sequence[Any], shift: int = 0) -> None:
        """Write ``parts`` one after another at the ``index``-th address of dataset ``name``."""
        offset = self._addresses[name][index] + shift
        for part in parts:
            data = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
            while data:
                try:
                    written = os.pwrite(self._file, data, offset)
                except OSError as error:
                    raise StorageError(
                        f"cannot write {name} to {self.path}: {error.strerror}; the {self._progress} finished steps "
                        "stay readable. Free some space or give another place, and run again"
                    ) from error
                data, offset = data[written:], offset + written


def _write_attributes(file: h5py.File, metadata: Metadata) -> bytes:
    """Write the root attributes; ``complete`` comes last and gets random bytes, which are returned, to be found by."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    for name, value in metadata.attributes().items():
        file.attrs[name] = value
    mark = os.urandom(8)
    file.attrs["complete"] = np.frombuffer(mark, "<i8")[0]
    return mark


def _find_complete(path: Path, mark: bytes) -> int:
    """Find the address of attribute ``complete``, set it to 0, and prove through HDF5 that this was the place."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        address = content.find(mark)
        content[address : address + 8] = struct.pack("<q", 0)
    with h5py.File(path, "r") as written:
        if written.attrs["complete"] != 0:
            raise StorageError(
                f"HDF5 {h5py.version.hdf5_version} lays out attributes in a way this version cannot write"
            )
    return address


def _write_structure(file: h5py.File, layout: Layout) -> dict[str, list[int]]:
    """Create all datasets with their storage; return the address of every step of those that are filled later."""
    _scale(file, "t", layout.times, "float64")
    for name, count in (("step", layout.steps), ("frame", layout.frames), ("channel", layout.channels)):
        _scale(file, name, range(count))
    _scale(file, "branch", layout.velocities, h5py.string_dtype())
    inner = (layout.frames, layout.channels)
    addresses = {
        "x_t": _steps(file, "x_t", ("t", "frame", "channel"), (layout.steps + 1, *inner), layout.dtype),
        "velocity": _steps(
            file,
            "velocity",
            ("step", "branch", "frame", "channel"),
            (layout.steps, len(layout.velocities), *inner),
            layout.dtype,
        ),
        "progress": _whole(file, "progress", (), (), "int64"),
        "result": _whole(file, "result", (), (), f"S{RESULT_BYTES}"),
    }
    audio = file.create_group("audio")
    _scale(audio, "audio_channel", range(layout.audio_channels))
    samples = audio.create_dataset("sample", (layout.audio_samples,), dtype="int8")
    samples.attrs["units"] = "1"
    samples.make_scale(_BARE_DIMENSION % layout.audio_samples)
    room = (layout.audio_channels, layout.audio_samples)
    addresses["audio/values"] = _whole(audio, "values", ("audio_channel", "sample"), room, "float32")
    addresses["audio/length_samples"] = _whole(audio, "length_samples", (), (), "int64")
    for hidden in layout.hidden:
        name = f"hidden/{hidden.name}"
        addresses[f"{name}/values"] = _write_hidden(file.create_group(name), hidden, layout.branches)
    return addresses


def _write_hidden(group: h5py.Group, hidden: HiddenLayout, branches: tuple[str, ...]) -> list[int]:
    """Create the datasets of one module; return the address of every captured step."""
    _scale(group, "step", hidden.steps)
    _scale(group, "branch", branches, h5py.string_dtype())
    for axis, (name, count) in enumerate(zip(hidden.axes, hidden.shape, strict=True)):
        stride = hidden.stride if axis == 0 and len(hidden.shape) > 1 else 1
        _scale(group, name, range(0, count * stride, stride))
    shape = (len(hidden.steps), len(branches), *hidden.shape)
    return _steps(group, "values", ("step", "branch", *hidden.axes), shape, hidden.dtype)


def _scale(group: h5py.Group, name: str, values: Sequence[Any], dtype: Any = "int64") -> None:
    """Create a dimension scale with its values."""
    scale = group.create_dataset(name, data=np.array(list(values), dtype=dtype))
    scale.attrs["units"] = "1"
    scale.make_scale(name)


def _steps(group: h5py.Group, name: str, axes: tuple[str, ...], shape: tuple[int, ...], dtype: str) -> list[int]:
    """Create a dataset of one chunk a step; return the address of every chunk."""
    dataset = _allocated(group, name, axes, shape, dtype, chunks=(1, *shape[1:]))
    start = (0,) * (len(shape) - 1)
    return [dataset.id.get_chunk_info_by_coord((k, *start)).byte_offset for k in range(shape[0])]


def _whole(group: h5py.Group, name: str, axes: tuple[str, ...], shape: tuple[int, ...], dtype: str) -> list[int]:
    """Create a dataset in one piece; return its address."""
    return [_allocated(group, name, axes, shape, dtype).id.get_offset()]


def _allocated(
    group: h5py.Group,
    name: str,
    axes: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: str,
    chunks: tuple[int, ...] | None = None,
) -> h5py.Dataset:
    """Create a dataset whose storage has its place in the file at once, without filling it."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if chunks is not None:
        properties.set_chunk(chunks)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, space, dcpl=properties))
    dataset.attrs["units"] = "1"
    for axis, scale in enumerate(axes):
        dataset.dims[axis].attach_scale(group[scale])
    return dataset


def _result(seconds: float, notes: Sequence[str]) -> np.ndarray[Any, Any]:
    """JSON of what is known at the end; the last notes are dropped where they do not fit."""
    kept = list(notes)
    while len(text := to_json({"seconds": seconds, "notes": kept}).encode()) > RESULT_BYTES:
        kept.pop()
    return np.frombuffer(text, np.uint8)
