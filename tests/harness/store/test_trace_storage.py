"""What the disk refuses: one clear error, finished steps readable, nothing half-written."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from harness import open_trace
from harness.errors import StorageError, TraceError
from harness.store.format import Layout
from harness.store.writer import TraceWriter
from tests.harness.store.trace_examples import ABOUT, SMALL, Content, write_trace

ROOMY = Layout(**{**vars(SMALL), "frames": 4096, "channels": 64})
"""16 MB: more than the small disks below hold."""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond ``size`` bytes for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 5_000, 20_000, 80_000])
def test_no_room_for_the_structure_leaves_nothing(tmp_path: Path, size: int) -> None:
    with largest_file(size), pytest.raises(StorageError, match="File too large"):
        TraceWriter(tmp_path / "trace.h5", SMALL, ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_keeps_finished_steps(tmp_path: Path) -> None:
    content = Content(SMALL)
    writer = TraceWriter(tmp_path / "trace.h5", SMALL, ABOUT)
    content.write(writer, 2)
    with largest_file(0), pytest.raises(StorageError, match="the 2 finished steps stay readable"):
        writer.write_step(2, content.x_t[2], content.velocity[2])
    writer.close()
    with open_trace(tmp_path / "trace.h5") as trace:
        assert (trace.steps, trace.complete) == (2, False)
        np.testing.assert_array_equal(trace.x_t[:], content.x_t[:2])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_small_disk_keeps_finished_steps(small_disk: Path) -> None:
    writer = TraceWriter(small_disk / "trace.h5", ROOMY, ABOUT)
    content = Content(ROOMY)
    with pytest.raises(StorageError, match=r"No space left on device; the \d finished steps"):
        content.write(writer)
    writer.close()
    with open_trace(small_disk / "trace.h5") as trace:
        assert 1 <= trace.steps < 4
        assert not trace.complete
        for k in range(trace.steps):
            np.testing.assert_array_equal(trace.x_t[k], content.x_t[k])
            np.testing.assert_array_equal(trace.velocity[k], content.velocity[k, -1])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="File exists"):
        TraceWriter(tmp_path / "file" / "trace.h5", SMALL, ABOUT)


def test_audio_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "trace.h5", SMALL, ABOUT)
    with pytest.raises(ValueError, match=r"room for \(2, 40\)"):
        writer.finish(np.zeros((2, 41), np.float32), 1.0, [])
    writer.close()


def test_after_every_single_write_the_file_is_a_valid_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.h5"
    seen: list[tuple[int, bool]] = []
    content = Content(SMALL)
    writer = TraceWriter(path, SMALL, ABOUT)
    pwrite = os.pwrite

    def write_and_look(file: int, data: memoryview, offset: int) -> int:
        # Halves, as when a process dies inside a long write.
        written = pwrite(file, data[: (len(data) + 1) // 2], offset)
        with open_trace(path) as trace:
            seen.append((trace.steps, trace.complete))
            np.testing.assert_array_equal(trace.x_t[:], content.x_t[: len(trace.x_t)])
            np.testing.assert_array_equal(trace.velocity[:], content.velocity[: trace.steps, -1])
            for position in range(len(trace.hidden["blocks.0.attn"])):
                found = trace.hidden["blocks.0.attn"].of("uncond")[position]
                np.testing.assert_array_equal(found, content.hidden["blocks.0.attn"][position, 1])
        return written

    monkeypatch.setattr(os, "pwrite", write_and_look)
    content.write(writer)
    writer.close()
    assert seen[0] == (0, False)
    assert seen == sorted(seen)
    assert seen[-1] == (4, True)
    assert len(seen) > 30


def test_numbers_counted_in_halves_stay_sane() -> None:
    """Why the test above may cut 8-byte counters: values below 2**32 live in the first half."""
    assert bytes(ctypes.c_int64(31))[4:] == bytes(4)


def test_a_trace_cut_short_is_called_truncated(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.h5")
    os.truncate(tmp_path / "trace.h5", 50_000)
    with pytest.raises(TraceError, match="truncated"):
        open_trace(tmp_path / "trace.h5")
