"""Downloading published models into the hub's ordinary cache, where every other program finds them too.

The hub's own client starts a file over when it was interrupted; files here are gigabytes, so a part that was loaded is
kept beside the others and gone on from. A whole file gets its place in the cache by the client itself.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, errors, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import logging
from huggingface_hub.utils._headers import build_hf_headers

from generators.published import PUBLISHED
from harness.errors import HarnessError, StorageError
from harness.hub import cache
from harness.runs import locked

Progress = Callable[[str, int, int], None]
"""``(file, bytes there, bytes in all)``."""

SHA256_DIGITS = 64
"""Length of the hub's name for a large file, which is its digest."""


def fetch(name: str, *, offline: bool = False, endpoint: str | None = None, progress: Progress | None = None) -> Path:
    """Load one repository's files and return their folder; what is here already is not loaded again.

    Parameters
    ----------
    name
        Key of ``generators.published.PUBLISHED``.
    offline
        Load nothing, only say whether all is here; so does the environment's ``HF_HUB_OFFLINE``.
    endpoint
        Another hub than the client's own.
    progress
        Called while a file is loaded.

    Raises
    ------
    HarnessError
        Offline and not all here, no connection, no such file, no access, or a file that is not what it should be.
    StorageError
        The disk is too small, or another process is fetching the same.
    """
    if cache.state(name) != "here":
        if offline or constants.HF_HUB_OFFLINE:
            reason = "--offline" if offline else "HF_HUB_OFFLINE"
            raise HarnessError(f"{name} is not all on this machine, and {reason} forbids to fetch it")
        with _explained(name):
            for pattern in PUBLISHED[name].files:
                for file in _matching(name, pattern, endpoint):
                    _fetch_file(name, file, endpoint, progress)
    return cache.require(name)


def _matching(name: str, pattern: str, endpoint: str | None) -> list[str]:
    """Names of the files to load; the hub is asked only where a pattern has to be matched.

    Without a network that takes the client half a minute. A plain name comes first in every row of ``PUBLISHED``, and
    the question for it is asked once.
    """
    if not set("*?[") & set(pattern):
        return [pattern]
    return fnmatch.filter(HfApi(endpoint=endpoint).list_repo_files(name), pattern)


def _fetch_file(name: str, file: str, endpoint: str | None, progress: Progress | None) -> None:
    about = get_hf_file_metadata(url := hf_hub_url(name, file, endpoint=endpoint), endpoint=endpoint)
    if about.etag is None or about.size is None:
        raise HarnessError(f"the hub tells neither name nor size of {file} in {name}; try again later")
    blobs = cache.repository(name) / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    with locked(blobs):
        if not (blobs / about.etag).exists():
            part = blobs / (about.etag + cache.PART_SUFFIX)
            begun = part.stat().st_size if part.exists() else 0
            _check_room(blobs, about.size - begun)
            same_host = urlsplit(about.location).netloc == urlsplit(url).netloc
            with part.open("ab") as target:
                http_get(
                    about.location,
                    target,
                    resume_size=begun,
                    headers=build_hf_headers() if same_host else {},
                    expected_size=about.size,
                    tqdm_class=_bar(file, progress),
                )
            _check_digest(part, about.etag, file)
            os.replace(part, blobs / about.etag)
    hf_hub_download(name, file, endpoint=endpoint)


def _check_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise StorageError(
            f"{cache.gigabytes(size_bytes)} are to be loaded into {folder}, where {cache.gigabytes(free)} are free; "
            "make room, or set HF_HOME to another disk"
        )


def _check_digest(part: Path, etag: str, file: str) -> None:
    """Remove and refuse a large file whose digest is not its name."""
    if len(etag) != SHA256_DIGITS:
        return
    with part.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if digest != etag:
        part.unlink()
        raise HarnessError(f"{file} arrived damaged (SHA-256 {digest[:12]} instead of {etag[:12]}); fetch it again")


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what the client raises into one line of advice, and keep it from complaining meanwhile."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    except errors.GatedRepoError:
        raise HarnessError(
            f"{name} is given out only to accounts that accepted its terms; accept them on its page, "
            "then log in with 'hf auth login'"
        ) from None
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as error:
        raise HarnessError(f"the hub does not have what {name} should hold: {str(error).splitlines()[0]}") from None
    except errors.HTTPError as error:  # type: ignore[attr-defined]  # of whichever HTTP library the client uses
        raise HarnessError(
            f"the hub cannot be reached to fetch {name} ({type(error).__name__}); check the connection and run the "
            "same command again: it goes on where it stopped"
        ) from None
    except OSError as error:
        raise HarnessError(
            f"{name} was not loaded whole ({str(error).splitlines()[0]}); run the same command again"
        ) from None
    finally:
        logging.set_verbosity(verbosity)


def _bar(file: str, progress: Progress | None) -> Any:
    """Make the class the client draws its progress with: it draws nothing and calls ``progress``."""

    class Bar:
        def __init__(self, total: int | None = None, initial: int = 0, **settings: Any) -> None:
            self.done, self.total = initial, total or 0

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def update(self, count: int) -> None:
            self.done += count
            if progress is not None:
                progress(file, self.done, self.total)

    return Bar
