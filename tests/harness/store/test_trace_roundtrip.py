"""Whatever goes into a trace comes out of it, by our reader and by xarray."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import open_trace
from harness.errors import ExistsError, InputError
from harness.store.format import Layout, Metadata
from harness.store.writer import TraceWriter
from tests.harness.store.trace_examples import ABOUT, SMALL, Content, layouts, metadata, write_trace


def check(path: Path, content: Content, about: Metadata, steps: int) -> None:
    layout = content.layout
    with open_trace(path) as trace:
        assert trace.steps == steps
        assert trace.t.tolist() == list(layout.times)
        assert trace.branches == layout.branches
        for k in range(len(trace.x_t)):
            np.testing.assert_array_equal(trace.x_t[k], content.x_t[k])
        for index, name in enumerate(layout.velocities):
            recorded = trace.velocity_of(name)
            assert len(recorded) == steps
            np.testing.assert_array_equal(recorded[:], content.velocity[:steps, index])
        assert set(trace.hidden) == {module.name for module in layout.hidden}
        for module in layout.hidden:
            hidden = trace.hidden[module.name]
            assert hidden.axes == module.axes
            assert hidden.steps == tuple(k for k in module.steps if k < steps)
            for position, k in enumerate(hidden.steps):
                for index, branch in enumerate(layout.branches):
                    np.testing.assert_array_equal(hidden.at(k, branch), content.hidden[module.name][position, index])
        for name in ("request", "sampler", "seed", "frame_rate_hz", "generator_id", "extra", "batch_index", "created"):
            assert trace.metadata[name] == getattr(about, name)
        assert trace.batch == list(about.batch)


@settings(deadline=None, max_examples=30)
@given(layouts(), metadata(), st.data())
def test_a_trace_gives_back_what_was_written(layout: Layout, about: Metadata, data: st.DataObject) -> None:
    steps = data.draw(st.none() | st.integers(0, layout.steps))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.h5"
        content = write_trace(path, layout, about, steps=steps)
        check(path, content, about, layout.steps if steps is None else steps)
        assert path.stat().st_size <= layout.predicted_bytes + sum(len(text) for text in map(str, vars(about).values()))
        with open_trace(path) as trace:
            assert trace.complete == (steps is None)
            if steps is None:
                np.testing.assert_array_equal(trace.audio, content.audio)
                assert trace.metadata["seconds"] == 1.5
                assert trace.metadata["notes"] == ["a note"]
            else:
                assert trace.audio is None
                assert "seconds" not in trace.metadata


@settings(deadline=None, max_examples=10)
@given(layouts(), metadata())
def test_xarray_opens_every_group(layout: Layout, about: Metadata) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.h5"
        content = write_trace(path, layout, about)
        groups = ["/", "/audio", *(f"/hidden/{module.name}" for module in layout.hidden)]
        for group in groups:
            with xarray.open_dataset(path, group=group, engine="h5netcdf") as dataset:
                assert all("units" in item.attrs for item in dataset.variables.values())
                assert not any(str(name).startswith("phony") for name in dataset.sizes)
        with xarray.open_dataset(path, engine="h5netcdf") as root:
            guided = root.velocity.sel(branch="guided").isel(step=0).values
            np.testing.assert_array_equal(guided, content.velocity[0, -1])
            np.testing.assert_array_equal(root.x_t.sel(t=1.0).values, content.x_t[-1])


def test_every_dataset_is_plain_has_units_and_scales(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.h5")
    seen = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            seen.append(name)
            assert item.attrs["units"] == "1"
            assert item.id.get_create_plist().get_nfilters() == 0
            assert item.is_scale or all(len(dim) == 1 for dim in item.dims)

    with h5py.File(tmp_path / "trace.h5") as file:
        file.visititems(visit)
        assert file["x_t"].chunks == (1, 6, 3)
        assert file["velocity"].chunks == (1, 3, 6, 3)
        assert file["hidden/blocks.0.attn/values"].chunks == (1, 2, 3, 5)
    assert "x_t" in seen


def test_large_texts_fit(tmp_path: Path) -> None:
    batch = tuple({"prompt": "♪" * 10_000, "seed": i} for i in range(32))
    about = Metadata(**{**vars(ABOUT), "batch": batch, "request": batch[5], "batch_index": 5})
    write_trace(tmp_path / "trace.h5", about=about)
    with open_trace(tmp_path / "trace.h5") as trace:
        assert trace.batch == list(batch)


def test_notes_that_do_not_fit_are_dropped_from_the_end(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "trace.h5", SMALL, ABOUT)
    content = Content(SMALL)
    content.write(writer, SMALL.steps)
    writer.write_final(content.x_t[-1])
    writer.finish(content.audio, 1.0, [str(i) * 500 for i in range(200)])
    writer.close()
    with open_trace(tmp_path / "trace.h5") as trace:
        notes = trace.metadata["notes"]
    assert 10 < len(notes) < 200
    assert notes[0] == "0" * 500


def test_unwritten_steps_cost_no_disk(tmp_path: Path) -> None:
    layout = Layout(**{**vars(SMALL), "frames": 4096, "channels": 64})
    write_trace(tmp_path / "trace.h5", layout, steps=1)
    stat = os.stat(tmp_path / "trace.h5")
    assert stat.st_size > 16_000_000
    if stat.st_blocks * 512 >= stat.st_size:
        pytest.skip("this file system does not keep holes")
    assert stat.st_blocks * 512 < 6_000_000


def test_predicted_size_is_close(tmp_path: Path) -> None:
    layout = Layout(**{**vars(SMALL), "frames": 512, "channels": 64})
    write_trace(tmp_path / "trace.h5", layout)
    assert (tmp_path / "trace.h5").stat().st_size == pytest.approx(layout.predicted_bytes, rel=0.05)


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "trace.h5"
    write_trace(path, steps=2)
    before = path.read_bytes()
    with pytest.raises(ExistsError, match="already there"):
        TraceWriter(path, SMALL, ABOUT)
    assert path.read_bytes() == before
    write_trace(path, force=True)
    with open_trace(path) as trace:
        assert trace.complete
    assert [item.name for item in tmp_path.iterdir()] == ["trace.h5"]


def test_steps_are_read_lazily_and_only_where_written(tmp_path: Path) -> None:
    content = write_trace(tmp_path / "trace.h5", steps=2)
    with open_trace(tmp_path / "trace.h5") as trace:
        assert len(trace.x_t) == len(trace.velocity) == 2
        np.testing.assert_array_equal(trace.x_t[-1], content.x_t[1])
        assert trace.x_t[5:].shape == (0, 6, 3)
        assert [array.shape for array in trace.velocity] == [(6, 3)] * 2
        with pytest.raises(IndexError, match="2 steps were recorded"):
            trace.x_t[2]
        with pytest.raises(IndexError, match="2 steps were recorded"):
            trace.x1_hat(2)
        with pytest.raises(InputError, match="cond, uncond, guided"):
            trace.velocity_of("none")
        with pytest.raises(InputError, match="step 1 was not captured; there are 0"):
            trace.hidden["blocks.0.attn"].at(1)
        with pytest.raises(InputError, match="cond, uncond"):
            trace.hidden["blocks.0.attn"].of("guided")
        assert trace.hidden["blocks.0.attn"].indices.tolist() == [0, 2, 4]
    with pytest.raises(ValueError, match="closed"):
        trace.x_t[0]


def test_hook_points_describe_what_was_captured(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.h5", steps=1)
    with open_trace(tmp_path / "trace.h5") as trace:
        assert trace.hook_points == {
            "x_t": {"shape": [5, 6, 3], "dtype": "float32"},
            "velocity": {"shape": [4, 3, 6, 3], "dtype": "float32"},
            "blocks.0.attn": {"shape": [2, 2, 3, 5], "dtype": "float16"},
        }


def test_the_clean_estimate_follows_from_state_and_velocity(tmp_path: Path) -> None:
    content = write_trace(tmp_path / "trace.h5")
    with open_trace(tmp_path / "trace.h5") as trace:
        expected = content.x_t[1] + np.float32(0.75) * content.velocity[1, 0]
        np.testing.assert_array_equal(trace.x1_hat(1, "cond"), expected)
        np.testing.assert_array_equal(trace.x1_hat(4), content.x_t[4])
