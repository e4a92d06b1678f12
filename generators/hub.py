"""Asking the model hub for a file once.

The hub's own client tries for half a minute where there is no network, says so at every try, and a pipeline has a dozen
files; so whether the hub can be reached is found out first.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]


def locate(repository: str, name: str) -> tuple[Path, bool]:
    """Return the path of a file of a repository in the cache, and whether the hub gave it out.

    Where the hub cannot be reached, refuses, or must not be asked (``HF_HUB_OFFLINE``), the file is that of the cache.

    Raises
    ------
    HTTPError, OfflineModeIsEnabled
        The hub does not give it out, and the cache does not hold it.
    """
    try:
        get_hf_file_metadata(hf_hub_url(repository, name))
    except (HTTPError, OfflineModeIsEnabled):
        cached = try_to_load_from_cache(repository, name)
        if not isinstance(cached, str):
            raise
        return Path(cached), False
    return Path(hf_hub_download(repository, name)), True
