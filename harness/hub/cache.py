"""Looking into the hub's cache on this machine; nothing here opens a connection."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Literal

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from generators.published import DEFAULTS, LICENCES, PUBLISHED
from harness import registry
from harness.errors import HarnessError, InputError

State = Literal["here", "partial", "absent"]

PART_SUFFIX = ".part"
"""Of a blob whose download was interrupted; see ``harness.hub.fetch``."""


def find(name: str) -> str:
    """Return the hub id that ``name`` means: the id itself, its end, or a generator's. Raises ``InputError``."""
    short = {**DEFAULTS, **{one.rpartition("/")[2]: one for one in PUBLISHED}}
    if name not in PUBLISHED and name not in short:
        raise InputError(registry.unknown("model", name, PUBLISHED))
    return short.get(name, name)


def repository(name: str) -> Path:
    """Folder of a repository in the cache, there or not."""
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")


def snapshot(name: str) -> Path | None:
    """Folder with the files of a repository's newest fetched revision, None when there is none."""
    reference = repository(name) / "refs" / constants.DEFAULT_REVISION
    if not reference.is_file():
        return None
    folder = repository(name) / "snapshots" / reference.read_text(encoding="utf-8").strip()
    return folder if folder.is_dir() else None


def files(name: str) -> dict[str, list[Path]]:
    """List the fetched files of a published model for each pattern it needs; an empty list where there is none."""
    folder = snapshot(name)
    there = [] if folder is None else sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        pattern: [path for path in there if folder and fnmatch.fnmatch(path.relative_to(folder).as_posix(), pattern)]
        for pattern in PUBLISHED[name].files
    }


def partial_bytes(name: str) -> int:
    """Bytes of interrupted downloads that the next fetch goes on from."""
    return sum(path.stat().st_size for path in (repository(name) / "blobs").glob(f"*{PART_SUFFIX}"))


def state(name: str) -> State:
    """Say whether all, some or none of a published model's files are here."""
    found = files(name).values()
    if all(found):
        return "here"
    return "partial" if any(found) or partial_bytes(name) else "absent"


def require(name: str) -> Path:
    """Return the folder of a published model's files. Raises ``HarnessError`` that says how to fetch them."""
    folder, missing = snapshot(name), [pattern for pattern, found in files(name).items() if not found]
    if folder is not None and not missing:
        return folder
    entry = PUBLISHED[name]
    begun = partial_bytes(name)
    raise HarnessError(
        f"{name} is not on this machine: {', '.join(missing)} missing in {repository(name)}"
        + (f" ({gigabytes(begun)} of an interrupted download are there)" if begun else "")
        + f"; run 'harness models fetch {name}' ({gigabytes(entry.size_bytes)}, {LICENCES[entry.licence].name})"
        + ", or give your own files with --weights DIR"
    )


def only_file(name: str) -> Path:
    """Return the file of a published model that has one. Raises ``HarnessError`` as ``require`` does."""
    return require(name) / PUBLISHED[name].files[0]


def gigabytes(size_bytes: int) -> str:
    """Write a size for people."""
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 10_000_000 else f"{size_bytes / 1e6:.2f} MB"
