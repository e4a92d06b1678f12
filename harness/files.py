"""Files that are either whole or not there."""

from __future__ import annotations

import glob
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from analysis.files import replacing
from harness.errors import ExistsError, StorageError

ABANDONED_S = 3600.0
"""A temporary file that nobody wrote to for so long is what a killed process left."""
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part")
"""Names that ``whole`` gives to temporary files."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` that becomes ``path`` when the block ends, and vanishes when it fails.

    The folder is made where it is missing. Raises ``StorageError`` for what the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            yield part
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # h5py puts a page of its own into strerror
        raise StorageError(f"cannot write {path}: {reason}") from error


def remove_unfinished(path: Path, *, idle_s: float = ABANDONED_S) -> None:
    """Remove the temporary files of ``whole(path)`` that nobody wrote to for ``idle_s`` seconds."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime >= idle_s:
                part.unlink()


def check_output(out: Path, *, force: bool) -> None:
    """Refuse an output folder that cannot be used, without touching the disk.

    Raises ``ExistsError`` when something is in it and ``force`` is not given, ``StorageError`` when it is not writable.
    Temporary files that a killed process left do not count.
    """
    place = _check_place(out)
    if place == out and not force and not all(_UNFINISHED.fullmatch(item.name) for item in out.iterdir()):
        raise ExistsError(f"{out} is not empty; give another folder, or --force to replace what is in it")


def check_output_file(out: Path, *, force: bool) -> None:
    """Refuse an output file that cannot be written, without touching the disk. Raises as ``check_output`` does."""
    if out.is_dir():
        raise StorageError(f"cannot write {out}: it is a folder; give a file")
    if os.path.lexists(out) and not force:
        raise ExistsError(f"{out} is already there; give --force to replace it, or another --out")
    _check_place(out.absolute().parent)


def _check_place(folder: Path) -> Path:
    """Return what is there of ``folder``: itself, or the parent in which it would be made. Raises ``StorageError``."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if os.path.lexists(parent))
    if not place.is_dir():
        raise StorageError(f"cannot write to {folder}: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise StorageError(f"cannot write to {folder}: no permission to write in {place}")
    return place


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as indented JSON, whole or not at all."""
    with whole(path) as part:
        part.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
