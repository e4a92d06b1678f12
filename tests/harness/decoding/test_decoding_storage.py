"""Where a decode is kept, and that the trace survives everything."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from generators.base import GenerationRequest, HookPoint
from harness.decoding import storage
from harness.decoding.artifacts import read_artifacts
from harness.decoding.decode import decode
from harness.decoding.storage import read_decoded, sidecar, store
from harness.errors import InputError, StorageError, TraceError
from harness.pipeline import run
from harness.store.reader import open_trace

STEPS = 4


class StopAt:
    """A hook that ends a generation half-way."""

    def __init__(self, step: int) -> None:
        self.step = step

    def wants(self, point: HookPoint) -> bool:
        return point.name == "x_t" and point.step == self.step

    def __call__(self, point: HookPoint, value: object) -> None:
        raise InterruptedError


def make_trace(generator, folder: Path, stop_at: int | None = None) -> Path:
    request = GenerationRequest("A4", duration_s=0.3, num_inference_steps=STEPS)
    with suppress(InterruptedError):
        run(generator, [request], folder, trace=True, hooks=[] if stop_at is None else [StopAt(stop_at)])
    return folder / "trace.h5"


@pytest.fixture
def path(generator, tmp_path):
    return make_trace(generator, tmp_path / "run")


@pytest.fixture
def decoded(path, fitted):
    with open_trace(path) as trace:
        return decode(trace, read_artifacts(fitted.source, fitted.probes, fitted.sae))


def assert_same(left, right) -> None:
    assert replace(left, properties={}, t=None) == replace(right, properties={}, t=None)
    assert np.array_equal(left.t, right.t)
    assert list(left.properties) == list(right.properties)
    for a, b in zip(left.properties.values(), right.properties.values(), strict=True):
        assert (a.name, a.unit, a.tolerance, a.top) == (b.name, b.unit, b.tolerance, b.top)
        assert np.array_equal(a.values, b.values, equal_nan=True)
        assert np.array_equal(a.target, b.target)
        assert np.array_equal(a.centres, b.centres)
        assert a.probabilities.keys() == b.probabilities.keys()
        assert all(np.array_equal(a.probabilities[key], b.probabilities[key]) for key in a.probabilities)


def test_a_decode_comes_back_as_it_was(path, decoded):
    with open_trace(path) as trace:
        assert read_decoded(trace) is None
        assert store(trace, decoded) == path
        assert np.isfinite(trace.x_t[STEPS]).all()  # the open trace is not disturbed
    with open_trace(path) as trace:
        assert_same(read_decoded(trace), decoded)
    assert sorted(file.name for file in path.parent.iterdir()) == ["audio.wav", "request.json", "trace.h5"]


def test_the_rest_of_the_trace_stays_as_it_was(path, decoded):
    with open_trace(path) as trace:
        before = trace.x_t[:], trace.velocity[:], trace.audio, trace.metadata
        store(trace, decoded)
    with open_trace(path) as trace:
        after = trace.x_t[:], trace.velocity[:], trace.audio, trace.metadata
    assert all(np.array_equal(a, b) for a, b in zip(before[:3], after[:3], strict=True))
    assert before[3] == after[3]


def test_decoding_again_replaces_and_hardly_grows_the_file(path, decoded):
    sizes = []
    for _ in range(4):
        with open_trace(path) as trace:
            store(trace, decoded)
        sizes.append(path.stat().st_size)
    assert sizes[-1] < 1.1 * sizes[0]  # HDF5 leaves small gaps; the arrays go where the old ones were


def test_xarray_opens_every_group(path, decoded):
    with open_trace(path) as trace:
        store(trace, decoded)
    for name, part in decoded.properties.items():
        with xarray.open_dataset(path, group=f"decoded/{name}", engine="h5netcdf") as group:
            assert group["x1_hat"].dims == ("t", "frame", "class")
            assert group["t"].values == pytest.approx(decoded.t)
            assert group["class"].attrs["units"] == part.unit


def test_read_only_trace_gets_a_sidecar(path, decoded):
    content = path.read_bytes()
    path.chmod(0o444)
    with open_trace(path) as trace:
        assert store(trace, decoded) == path.with_name("decoded.h5")
        assert_same(read_decoded(trace), decoded)
    assert path.read_bytes() == content
    path.chmod(0o644)
    with open_trace(path) as trace:
        store(trace, decoded)
    assert not path.with_name("decoded.h5").exists()  # it would be older than what is in the trace now


def test_very_large_trace_gets_a_sidecar(path, decoded, monkeypatch):
    monkeypatch.setattr(storage, "LARGEST_COPY_BYTES", 1000)
    with open_trace(path) as trace:
        assert store(trace, decoded) == path.with_name("decoded.h5")


def test_sidecars_of_traces_in_one_folder_do_not_meet():
    assert sidecar(Path("a/trace.h5")) == Path("a/decoded.h5")
    assert sidecar(Path("a/take-2.h5")) == Path("a/take-2.decoded.h5")


def test_incomplete_trace_is_decoded_as_far_as_it_goes(generator, fitted, tmp_path):
    path = make_trace(generator, tmp_path / "run", stop_at=3)
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    with open_trace(path) as trace:
        found = decode(trace, artifacts)
        assert (found.steps, len(found.t), found.complete) == (3, len(trace.x_t), False)
        assert found.compared_with == "last clean estimate, decoded"
        assert "3 of 4 steps" in found.notes[0]
        assert store(trace, found) == path.with_name("decoded.h5")
        assert_same(read_decoded(trace), found)
    make_trace(generator, tmp_path / "whole")
    os.replace(tmp_path / "whole" / "trace.h5", path)
    with open_trace(path) as trace:
        assert read_decoded(trace) is None  # it is of another run


def test_one_state_is_too_little(generator, fitted, tmp_path):
    path = make_trace(generator, tmp_path / "run", stop_at=1)
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    with open_trace(path) as trace, pytest.raises(InputError, match="needs at least 2"):
        decode(trace, artifacts)


def test_failed_write_leaves_the_trace(path, decoded, monkeypatch):
    content = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_write", fail)
    with open_trace(path) as trace, pytest.raises(StorageError, match="No space left"):
        store(trace, decoded)
    assert path.read_bytes() == content
    assert sorted(file.name for file in path.parent.iterdir()) == ["audio.wav", "request.json", "trace.h5"]


@pytest.mark.parametrize("damage", ["about", "pitch/x_t", "pitch/class"])
def test_damage_is_named(path, decoded, damage):
    with open_trace(path) as trace:
        store(trace, decoded)
    with h5py.File(path, "r+") as file:
        del file["decoded"][damage]
        file["decoded"][damage] = 1.0
    with open_trace(path) as trace, pytest.raises(TraceError, match=r"trace\.h5 is damaged"):
        read_decoded(trace)
