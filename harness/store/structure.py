"""The HDF5 structure of a trace, laid out in memory, and the addresses at which its numbers will stand."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from harness.errors import HarnessError
from harness.store.format import FORMAT, FORMAT_VERSION, RESULT_BYTES, HiddenLayout, Layout, Metadata
from harness.store.sparse import SparseFile

_BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable. %10d"
"""What netCDF-4 calls a dimension scale without values."""

Addresses = dict[str, list[int]]
"""Path of a dataset, or ``"complete"`` -> byte offsets of its steps, or of the whole."""


def build(layout: Layout, metadata: Metadata) -> tuple[SparseFile, Addresses]:
    """Lay out an empty trace: all attributes, groups, dimension scales, and room for every number."""
    image = SparseFile()
    # The oldest file layout has no checksums over attributes, so `complete` can be set by overwriting its bytes.
    with h5py.File(image, "w", libver="earliest") as file:
        mark = _write_attributes(file, metadata)
        addresses = _write_structure(file, layout)
    addresses["complete"] = [_find_complete(image, mark)]
    return image, addresses


def _write_attributes(file: h5py.File, metadata: Metadata) -> bytes:
    """Write the root attributes; ``complete`` comes last and gets random bytes, which are returned, to be found by."""
    attributes = file.attrs
    attributes["format"] = FORMAT
    attributes["format_version"] = FORMAT_VERSION
    for name, value in metadata.attributes().items():
        attributes[name] = value
    mark = os.urandom(8)
    attributes["complete"] = np.frombuffer(mark, "<i8")[0]
    return mark


def _find_complete(image: SparseFile, mark: bytes) -> int:
    """Find attribute ``complete``, set it to 0, prove through HDF5 that this was it; return its address."""
    for offset, content in image.extents():
        if (inner := content.find(mark)) >= 0:
            image.seek(offset + inner)
            image.write(struct.pack("<q", 0))
            with h5py.File(image, "r") as file:
                if file.attrs["complete"] == 0:
                    return offset + inner
    raise HarnessError(
        f"HDF5 {h5py.version.hdf5_version} stores attributes in a way that traces cannot be written with"
    )


def _write_structure(file: h5py.File, layout: Layout) -> Addresses:
    """Create all datasets with their storage; return the address of every step of those that are filled later."""
    _scale(file, "t", layout.times, "float64")
    for name, count in (("step", layout.steps), ("frame", layout.frames), ("channel", layout.channels)):
        _scale(file, name, range(count))
    _scale(file, "branch", layout.velocities, h5py.string_dtype())
    inner = (layout.frames, layout.channels)
    addresses: Addresses = {
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
    if layout.interventions:
        acting = file.create_group("interventions")
        _scale(acting, "step", range(layout.steps))
        _scale(acting, "intervention", range(layout.interventions))
        norms = (layout.steps, layout.interventions)
        addresses["interventions/relative_norm"] = _steps(
            acting, "relative_norm", ("step", "intervention"), norms, "float32"
        )
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
