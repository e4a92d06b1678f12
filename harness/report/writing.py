"""Putting a page on disk: as one file, or with its sounds in files beside it."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from urllib.parse import quote

from harness.errors import InputError, StorageError
from harness.files import whole

MOST_BYTES = 25_000_000
"""Largest page that is written as one file: mail programs and browsers have their limits."""
_SOUND = re.compile(r'src="data:audio/(mpeg|flac);base64,([A-Za-z0-9+/=]+)"')
"""A player's source as ``players.data_uri`` makes it; text of users cannot look like this, its quotes are escaped."""
_ENDINGS = {"mpeg": "mp3", "flac": "flac"}
_INLINE, _BESIDE = "media-src data:;", "media-src data: 'self' file:;"
"""What the policy says of sounds; ``'self'`` does not cover pages that are opened from disk."""


def publish(page: str, out: Path, assets: Path | None = None) -> None:
    """Write a page to ``out``, and its sounds into the folder ``assets`` where one is given.

    Raises ``InputError`` when the page is larger than ``MOST_BYTES``, ``StorageError`` for what the disk refuses.
    """
    sounds: dict[str, bytes] = {}
    if assets is not None:
        page = _moved(page, out, assets, sounds)
    written = page.encode("utf-8", "replace")
    if len(written) > MOST_BYTES:
        beside = "" if assets is not None else "--assets DIR to keep its sounds in files beside it, or "
        raise InputError(
            f"the report would be {len(written) / 1e6:.0f} MB, and {MOST_BYTES / 1e6:.0f} MB is the most that is "
            f"written as one file; give {beside}fewer steps by --audio N"
        )
    if assets is not None:
        _write_sounds(assets, sounds)
    with whole(out) as part:
        part.write_bytes(written)


def _moved(page: str, out: Path, assets: Path, sounds: dict[str, bytes]) -> str:
    """Point every player at a file in ``assets``, and collect the files: name -> content."""
    folder = quote(Path(os.path.relpath(assets.absolute(), out.absolute().parent)).as_posix())

    def move(match: re.Match[str]) -> str:
        name = f"{out.stem}-{len(sounds):03d}.{_ENDINGS[match[1]]}"
        sounds[name] = base64.b64decode(match[2])
        return f'src="{folder}/{quote(name)}"'

    return _SOUND.sub(move, page.replace(_INLINE, _BESIDE, 1))


def _write_sounds(assets: Path, sounds: dict[str, bytes]) -> None:
    try:
        assets.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write into {assets}: {error.strerror or error}") from error
    for name, content in sounds.items():
        with whole(assets / name) as part:
            part.write_bytes(content)
