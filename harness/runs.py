"""What a run folder holds, which runs share an output folder, and who may write there.

A run folder holds ``audio.wav``, ``trace.h5``, ``report.html`` and ``request.json``, and ``decoded.h5`` where what was
decoded could not go into the trace. One request: the folder is the output folder itself; several: ``000``, ``001``, ...
inside it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InputError, StorageError
from harness.files import check_output, remove_unfinished

try:
    import fcntl
except ImportError:  # not POSIX: two processes on one folder are then not noticed here
    fcntl = None  # type: ignore[assignment]

AUDIO = "audio.wav"
TRACE = "trace.h5"
REPORT = "report.html"
REQUEST = "request.json"
DECODED = "decoded.h5"
FILES = (AUDIO, TRACE, REPORT, REQUEST, DECODED)


def run_folders(out: Path, count: int) -> list[Path]:
    """Folders of ``count`` runs below ``out``."""
    return [out] if count == 1 else [out / f"{index:03d}" for index in range(count)]


def trace_path(path: Path) -> Path:
    """Path of the trace meant by ``path``, a trace file or a run folder. Raises ``InputError`` when there is none."""
    if path.is_dir():
        if (path / TRACE).is_file():
            return path / TRACE
        inside = sorted(found.parent.name for found in path.glob(f"*/{TRACE}"))
        hint = f"give one of the runs in it: {', '.join(inside[:5])}" if inside else "generate with --trace"
        raise InputError(f"{path} holds no {TRACE}; {hint}")
    if not path.exists():
        raise InputError(f"{path} does not exist; give a run folder or a trace file")
    return path


def trace_paths(paths: Iterable[Path]) -> list[Path]:
    """List the traces meant by run folders, folders of runs, and trace files, each once.

    Raises ``InputError`` where there is none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        inside = sorted(path.rglob(TRACE)) if path.is_dir() else []
        for file in inside or [trace_path(path)]:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def clear(folder: Path, *, keep: tuple[str, ...] = ()) -> None:
    """Remove the files of an earlier run, and nothing else, so that no old report stands beside new audio.

    Unfinished ones go too, also one that is being written: it belongs to the run that is no more.
    """
    for name in FILES:
        remove_unfinished(folder / name, idle_s=0)
        if name not in keep:
            (folder / name).unlink(missing_ok=True)


@contextmanager
def reserved(out: Path, count: int, *, force: bool) -> Iterator[list[Path]]:
    """Make the folders of ``count`` runs, keep other processes out meanwhile, and leave no empty folder behind.

    Raises as ``check_output`` does, and ``StorageError`` when another process is writing there.
    """
    check_output(out, force=force)
    made: list[Path] = []
    try:
        with _refusals(out):
            _make(out, made)
            with tempfile.TemporaryFile(dir=out):
                pass
        with locked(out):
            check_output(out, force=force)  # again: another process may have finished meanwhile
            folders = run_folders(out, count)
            with _refusals(out):
                for folder in folders:
                    _make(folder, made)
            yield folders
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def _refusals(out: Path) -> Iterator[None]:
    """Turn what the system refuses into ``StorageError``."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error.strerror}") from error


def _make(folder: Path, made: list[Path]) -> None:
    """Create ``folder`` and its parents, noting every folder that was not there."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir()
        made.append(parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an advisory lock on ``folder`` itself: no lock file is left, and a killed process frees it.

    Raises ``StorageError`` when another process holds it.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(f"another process is writing to {folder}; wait for it or give another folder") from error
        yield
    finally:
        os.close(handle)
