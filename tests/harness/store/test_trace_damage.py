"""Files that are no trace, or no longer one: one TraceError that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from harness import open_trace
from harness.errors import InputError, TraceError
from tests.harness.store.trace_examples import write_trace


def replace(file: h5py.File, name: str, **dataset: object) -> None:
    del file[name]
    file.create_dataset(name, **dataset)


def external(file: h5py.File) -> None:
    del file["x_t"]
    file["x_t"] = h5py.ExternalLink("/etc/passwd", "/x_t")


def raw_elsewhere(file: h5py.File) -> None:
    del file["x_t"]
    file.create_dataset("x_t", (5, 6, 3), "f4", external=[("/etc/passwd", 0, 360)])


DAMAGE: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "missing dataset": (lambda f: f.__delitem__("velocity"), "/velocity is missing"),
    "missing scale": (lambda f: f.__delitem__("frame"), "/frame is missing"),
    "missing attribute": (lambda f: f.attrs.__delitem__("request"), "'request'"),
    "attribute of another type": (lambda f: f.attrs.__setitem__("seed", "three"), "'seed'"),
    "request is no JSON": (lambda f: f.attrs.__setitem__("request", "{"), "damaged"),
    "request is a list": (lambda f: f.attrs.__setitem__("request", "[]"), "'request' holds list"),
    "shape mismatch": (lambda f: replace(f, "x_t", data=np.zeros((5, 6, 4), "f4")), r"\(5, 6, 4\), not 5x6x3"),
    "rank mismatch": (lambda f: replace(f, "x_t", data=np.zeros((5, 6), "f4")), "5x6x3"),
    "velocity of another dtype": (lambda f: replace(f, "velocity", data=np.zeros((4, 3, 6, 3))), "float64"),
    "whole numbers": (lambda f: replace(f, "x_t", data=np.zeros((5, 6, 3), "i4")), "int32"),
    "text where numbers belong": (lambda f: replace(f, "t", data=["a"] * 5), "object"),
    "group where a dataset belongs": (lambda f: (f.__delitem__("x_t"), f.create_group("x_t")), "/x_t"),
    "link out of the file": (external, "/x_t"),
    "storage out of the file": (raw_elsewhere, "storage of /x_t"),
    "declared but not stored": (lambda f: replace(f, "x_t", shape=(5, 6, 3), dtype="f4", chunks=(1, 6, 3)), "storage"),
    "compressed": (lambda f: replace(f, "x_t", data=np.zeros((5, 6, 3), "f4"), compression="gzip"), "storage"),
    "no steps": (lambda f: replace(f, "t", data=np.zeros(0)), "damaged"),
    "progress beyond the end": (lambda f: f["progress"].__setitem__((), 99), "progress 99"),
    "negative progress": (lambda f: f["progress"].__setitem__((), -1), "progress -1"),
    "complete but unfinished": (lambda f: f["progress"].__setitem__((), 2), "progress 2"),
    "hidden shape mismatch": (
        lambda f: replace(f, "hidden/blocks.0.attn/step", data=np.arange(5)),
        "blocks.0.attn",
    ),
    "hidden is a dataset": (lambda f: replace(f, "hidden", data=np.arange(5)), "damaged"),
    "newer format": (lambda f: f.attrs.__setitem__("format_version", "2.0"), "trace format 2.0.*update"),
    "nonsense version": (lambda f: f.attrs.__setitem__("format_version", "new"), "format version 'new'"),
    "foreign HDF5": (lambda f: f.attrs.__delitem__("format"), "not a trace"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_tampered_trace_is_refused(tmp_path: Path, case: str) -> None:
    write_trace(tmp_path / "trace.h5")
    damage, message = DAMAGE[case]
    with h5py.File(tmp_path / "trace.h5", "r+") as file:
        damage(file)
    with pytest.raises(TraceError, match=message) as error:
        open_trace(tmp_path / "trace.h5")
    assert str(tmp_path / "trace.h5") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_newer_minor_version_and_unknown_parts_are_fine(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5", "r+") as file:
        file.attrs["format_version"] = "1.7"
        file.create_group("decoded")["pitch"] = np.zeros(3)
    with open_trace(tmp_path / "trace.h5") as trace:
        assert (trace.complete, trace.format_version) == (True, "1.7")


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_file_that_is_not_hdf5(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trace.h5").write_bytes(content)
    with pytest.raises(TraceError, match="not an HDF5 file"):
        open_trace(tmp_path / "trace.h5")


def test_a_path_without_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.h5"):
        with pytest.raises(InputError, match="not a file"):
            open_trace(path)


def test_broken_audio_is_reported_when_it_is_read(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5", "r+") as file:
        del file["audio"]
    with open_trace(tmp_path / "trace.h5") as trace, pytest.raises(TraceError, match="audio"):
        _ = trace.audio
