from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness import runs
from harness.errors import InputError, StorageError


def test_one_run_is_the_folder_itself_several_are_numbered(tmp_path):
    assert runs.run_folders(tmp_path, 1) == [tmp_path]
    assert runs.run_folders(tmp_path, 2) == [tmp_path / "000", tmp_path / "001"]


def test_reserved_makes_folders_and_removes_those_left_empty(tmp_path):
    with runs.reserved(tmp_path / "a" / "b", 2, force=False) as folders:
        assert all(folder.is_dir() for folder in folders)
        (folders[1] / "audio.wav").write_bytes(b"")
    assert [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*"))] == [
        Path("a"),
        Path("a/b"),
        Path("a/b/001"),
        Path("a/b/001/audio.wav"),
    ]


def test_reserved_leaves_an_empty_folder_that_was_there(tmp_path):
    with pytest.raises(RuntimeError), runs.reserved(tmp_path, 1, force=False):
        raise RuntimeError
    assert tmp_path.is_dir()


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    code = f"""
        import sys
        from pathlib import Path
        from harness import runs
        with runs.reserved(Path({str(tmp_path)!r}), 1, force=True):
            print("held", flush=True)
            sys.stdin.read()
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StorageError, match="another process"), runs.reserved(tmp_path, 1, force=True):
        pass
    holder.kill()
    holder.communicate()
    with runs.reserved(tmp_path, 1, force=False):
        pass


def test_clear_removes_only_what_a_run_wrote(tmp_path):
    for name in (*runs.FILES, "notes.txt", ".trace.h5.0123abcd.part"):
        (tmp_path / name).write_text("")
    runs.clear(tmp_path, keep=(runs.TRACE,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "trace.h5"]


def test_trace_path_of_a_folder_and_of_a_file(tmp_path):
    trace = tmp_path / "trace.h5"
    trace.write_bytes(b"")
    assert runs.trace_path(tmp_path) == runs.trace_path(trace) == trace
    with pytest.raises(InputError, match="does not exist"):
        runs.trace_path(tmp_path / "other")
