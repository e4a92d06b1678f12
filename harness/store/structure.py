"""The HDF5 structure of a trace, laid out in memory, and the addresses at which its numbers will stand."""

from __future__ import annotations

import os
import struct

import h5py

from harness.errors import HarnessError
from harness.store.format import FORMAT, FORMAT_VERSION, RESULT_BYTES, HiddenLayout, Layout, Metadata
from harness.store.group import TEXT, NewGroup, set_attribute
from harness.store.sparse import SparseFile

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
    mark = os.urandom(8)
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, **metadata.attributes()}
    for name, value in {**about, "complete": int.from_bytes(mark, "little", signed=True)}.items():
        set_attribute(file.id, name, value)
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
    root = NewGroup(file)
    root.scale("t", layout.times, "float64")
    for name, count in (("step", layout.steps), ("frame", layout.frames), ("channel", layout.channels)):
        root.scale(name, range(count))
    root.scale("branch", layout.velocities, TEXT)
    inner = (layout.frames, layout.channels)
    per_branch = (layout.steps, len(layout.velocities), *inner)
    addresses: Addresses = {
        "x_t": root.steps("x_t", ("t", "frame", "channel"), (layout.steps + 1, *inner), layout.dtype),
        "velocity": root.steps("velocity", ("step", "branch", "frame", "channel"), per_branch, layout.dtype),
        "progress": root.whole("progress", (), (), "int64"),
        "result": root.whole("result", (), (), f"S{RESULT_BYTES}"),
    }
    audio = NewGroup(file.create_group("audio"))
    audio.scale("audio_channel", range(layout.audio_channels))
    audio.bare_dimension("sample", layout.audio_samples)
    room = (layout.audio_channels, layout.audio_samples)
    addresses["audio/values"] = audio.whole("values", ("audio_channel", "sample"), room, "float32")
    addresses["audio/length_samples"] = audio.whole("length_samples", (), (), "int64")
    if layout.interventions:
        acting = NewGroup(file.create_group("interventions"))
        norms = (layout.steps, layout.interventions)
        for name, count in zip(("step", "intervention"), norms, strict=True):
            acting.scale(name, range(count))
        place = acting.steps("relative_norm", ("step", "intervention"), norms, "float32")
        addresses["interventions/relative_norm"] = place
    for hidden in layout.hidden:
        name = f"hidden/{hidden.name}"
        addresses[f"{name}/values"] = _write_hidden(NewGroup(file.create_group(name)), hidden, layout.branches)
    return addresses


def _write_hidden(group: NewGroup, hidden: HiddenLayout, branches: tuple[str, ...]) -> list[int]:
    """Create the datasets of one module; return the address of every captured step."""
    group.scale("step", hidden.steps)
    group.scale("branch", branches, TEXT)
    for axis, (name, count) in enumerate(zip(hidden.axes, hidden.shape, strict=True)):
        stride = hidden.stride if axis == 0 and len(hidden.shape) > 1 else 1
        group.scale(name, range(0, count * stride, stride))
    shape = (len(hidden.steps), len(branches), *hidden.shape)
    return group.steps("values", ("step", "branch", *hidden.axes), shape, hidden.dtype)
