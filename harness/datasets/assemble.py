"""Putting shards together to one HDF5 file, one input in memory at a time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import accumulate

import h5py
import numpy as np

from analysis import properties
from harness.datasets.format import FORMAT, FORMAT_VERSION, SPLITS, Classes, FileRecord, Output, Plan, Skipped, dumps
from harness.datasets.shards import Shards
from harness.errors import StorageError
from harness.files import remove_unfinished, whole


def assemble(
    output: Output,
    shards: Shards,
    units: Sequence[str],
    skipped: Sequence[Skipped],
    versions: Mapping[str, str],
    classes: Classes | None = None,
) -> None:
    """Write a data set of these units' shards: rows ordered by split, then by unit.

    Raises ``StorageError`` when the disk is full; ``out`` is then as it was before, and the shards stay.
    """
    out, plan, columns = output
    found = [(unit, i, file) for unit in units for i, file in enumerate(shards.files(unit))]
    ordered = sorted(found, key=lambda entry: SPLITS.index(entry[2].split))
    remove_unfinished(out)
    needed, free = shards.bytes(units), shutil.disk_usage(out.parent).free
    if needed > free:
        raise StorageError(f"cannot write {out}: it needs {needed / 1e6:.0f} MB but {free / 1e6:.0f} MB are free")
    with whole(out) as part, h5py.File(part, "w") as file:
        _write_head(file, plan, [record for *_, record in ordered], skipped, versions)
        _write_classes(file, [record for *_, record in ordered], classes or {})
        _write_rows(file, plan, columns, shards, ordered)
        file.attrs["complete"] = np.int64(1)


def _write_head(
    file: h5py.File,
    plan: Plan,
    records: Sequence[FileRecord],
    skipped: Sequence[Skipped],
    versions: Mapping[str, str],
) -> None:
    described = {
        name: {"unit": loaded.unit, "tolerance": loaded.tolerance, "components": list(loaded.components)}
        for name, loaded in ((name, properties.load(name)) for name in plan.properties)
    }
    file.attrs.update(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "complete": np.int64(0),
            "plan": dumps(plan.to_json()),
            "properties": dumps(described),
            "versions": dumps(dict(versions)),
        }
    )
    files = file.create_group("files")
    for column in fields(FileRecord):
        values = [getattr(record, column.name) for record in records]
        text = column.type == "str"
        files.create_dataset(column.name, data=values, dtype=h5py.string_dtype() if text else np.int64)
    starts = [0, *accumulate(record.rows for record in records)][:-1]
    files.create_dataset("start", data=np.array(starts, np.int64))
    left_out = file.create_group("skipped")
    for name in ("name", "reason"):
        values = [getattr(entry, name) for entry in skipped]
        left_out.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())


def _write_classes(file: h5py.File, records: Sequence[FileRecord], classes: Classes) -> None:
    group = file.create_group("classes")
    for name, of_file in classes.items():
        values = [of_file.get(record.name, "") for record in records]
        group.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())


def _write_rows(
    file: h5py.File, plan: Plan, columns: slice, shards: Shards, ordered: Sequence[tuple[str, int, FileRecord]]
) -> None:
    total = sum(record.rows for *_, record in ordered)
    places = {
        "vectors": file.create_dataset("vectors", (total, plan.source.d_in), np.float32),
        "t": file.create_dataset("t", (total,), np.float32),
    }
    labels = file.create_group("labels")
    for name in plan.properties:
        loaded = properties.load(name)
        shape = (total,) if loaded.dimensions is None else (total, loaded.dimensions)
        places[f"labels.{name}"] = labels.create_dataset(name, shape, np.float32)
        labels[name].attrs["units"] = loaded.unit
    start = 0
    for unit, index, record in ordered:
        for what, array in shards.arrays(unit, index):
            places[what][start : start + record.rows] = array[:, columns] if what == "vectors" else array
        start += record.rows
