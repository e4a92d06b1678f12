"""Keeping a decode with its trace: as ``/decoded`` in it, or in a file beside it (see ``docs/trace-format.md``)."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from analysis.emergence import View
from harness.decoding.artifacts import CLEAN, NOISE_AWARE, VIEWS
from harness.decoding.decode import Decoded, DecodedProperty, Decoder, run_name
from harness.decoding.top import TopFeature
from harness.errors import StorageError
from harness.files import remove_unfinished, whole
from harness.runs import DECODED, TRACE
from harness.store import checks
from harness.store.reader import Trace

GROUP = "decoded"
VERSION = 1
LARGEST_COPY_BYTES = 1 << 30
"""Traces larger than this are not written again for the sake of a few megabytes; they get a sidecar."""


def sidecar(trace: Path) -> Path:
    """Path of the file beside a trace that takes its decode when the trace itself cannot."""
    return trace.with_name(DECODED if trace.name == TRACE else f"{trace.stem}.{DECODED}")


def store(trace: Trace, decoded: Decoded) -> Path:
    """Write a decode into its trace, or beside it where that is incomplete, read-only or very large; return where.

    Either file is replaced whole: whatever happens, the trace stays readable. Raises ``StorageError``.
    """
    path, beside = trace.path, sidecar(trace.path)
    try:
        if not trace.complete or not _writable(path) or path.stat().st_size > LARGEST_COPY_BYTES:
            with whole(beside) as part, h5py.File(part, "w", libver="earliest") as file:
                _write(file, decoded)
            return beside
        remove_unfinished(path)
        with whole(path) as part:
            shutil.copy(path, part)
            with h5py.File(part, "r+", libver="earliest") as file:
                if GROUP in file:
                    del file[GROUP]
                _write(file, decoded)
        beside.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # HDF5 reports a full disk as either
        raise StorageError(f"cannot store the decode of {path}: {error}") from error
    return path


def read_decoded(trace: Trace) -> Decoded | None:
    """Read the decode of a trace, or None when there is none of it as it is now. Raises ``TraceError`` for damage."""
    for path in (sidecar(trace.path), trace.path):
        if path.is_file():
            with checks.faults(path), h5py.File(path, "r") as file:
                found = _read(file, trace) if GROUP in file else None
            if found is not None:
                return found
    return None


def _writable(path: Path) -> bool:
    """Whether the file may be replaced; the mode counts for a superuser too."""
    return bool(path.stat().st_mode & stat.S_IWUSR) and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _write(file: h5py.File, decoded: Decoded) -> None:
    root = file.create_group(GROUP)
    about = {
        "version": VERSION,
        "run": decoded.run,
        "steps": decoded.steps,
        "complete": decoded.complete,
        "frame_rate_hz": decoded.frame_rate_hz,
        "compared_with": decoded.compared_with,
        "artifacts": dict(decoded.artifacts),
        "notes": list(decoded.notes),
        "properties": {
            name: {"unit": part.unit, "tolerance": part.tolerance, "top": [asdict(feature) for feature in part.top]}
            for name, part in decoded.properties.items()
        },
    }
    root.create_dataset("about", data=np.bytes_(json.dumps(about, allow_nan=False).encode("ascii")))
    root["about"].attrs["units"] = "1"
    for name, part in decoded.properties.items():
        _write_property(root.create_group(name), decoded.t, part)


def _write_property(group: h5py.Group, t: np.ndarray, part: DecodedProperty) -> None:
    scales = {"t": t, "frame": np.arange(len(part.values)), "class": part.centres}
    for name, values in scales.items():
        group.create_dataset(name, data=values).make_scale(name)
    _put(group, "values", ("frame",), part.values, part.unit)
    _put(group, "target", ("frame",), part.target, "1")
    for decoder, probabilities in part.probabilities.items():
        _put(group, _dataset_name(decoder), ("t", "frame", "class"), probabilities, "1")
    for name in scales:
        group[name].attrs["units"] = part.unit if name == "class" else "1"


def _put(group: h5py.Group, name: str, axes: tuple[str, ...], values: np.ndarray, unit: str) -> None:
    chunks = (1, *values.shape[1:]) if axes[0] == "t" else None
    dataset = group.create_dataset(name, data=values, chunks=chunks)
    dataset.attrs["units"] = unit
    for axis, scale in enumerate(axes):
        dataset.dims[axis].attach_scale(group[scale])


def _dataset_name(decoder: Decoder) -> str:
    view, how = decoder
    return view if how == CLEAN else f"{view}_{how.replace('-', '_')}"


def _read(file: h5py.File, trace: Trace) -> Decoded | None:
    root = file[GROUP]
    about: dict[str, Any] = json.loads(checks.scalar(root, "about", "S"))
    stored = about["version"], about["run"], about["steps"], about["complete"]
    if stored != (VERSION, run_name(trace), trace.steps, trace.complete):
        return None
    return Decoded(
        run=about["run"],
        t=np.array(trace.t[: len(trace.x_t)]),
        steps=about["steps"],
        complete=about["complete"],
        frame_rate_hz=about["frame_rate_hz"],
        compared_with=about["compared_with"],
        properties={
            name: _read_property(root[name], name, facts, trace) for name, facts in about["properties"].items()
        },
        artifacts=about["artifacts"],
        notes=tuple(about["notes"]),
    )


def _read_property(group: h5py.Group, name: str, facts: dict[str, Any], trace: Trace) -> DecodedProperty:
    centres = checks.dataset(group, "class", ("float64",), (None,))[()]
    shape = (len(trace.x_t), trace.x_t.shape[1], len(centres))
    decoders: list[tuple[View, str]] = [(view, how) for how in (CLEAN, NOISE_AWARE) for view in VIEWS]
    return DecodedProperty(
        name=name,
        unit=facts["unit"],
        tolerance=facts["tolerance"],
        centres=centres,
        values=checks.dataset(group, "values", ("float32",), (shape[1],))[()],
        target=checks.dataset(group, "target", ("int64",), (shape[1],))[()],
        probabilities={
            decoder: checks.dataset(group, _dataset_name(decoder), ("float16",), shape)[()]
            for decoder in decoders
            if _dataset_name(decoder) in group
        },
        top=tuple(TopFeature(**feature) for feature in facts["top"]),
    )
