"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import ExistsError, StorageError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` that becomes ``path`` when the block ends, and vanishes when it fails.

    Raises ``StorageError`` for what the disk refuses.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def check_free(folder: Path, *, force: bool) -> None:
    """Raise ``ExistsError`` unless ``folder`` is empty, not there yet, or may be written into (``force``)."""
    if folder.is_dir() and not force and any(folder.iterdir()):
        raise ExistsError(f"{folder} is not empty; give another folder, or --force to write into it")
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"cannot write to {folder}: it is not a folder")


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as indented JSON, whole or not at all."""
    with whole(path) as part:
        part.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
