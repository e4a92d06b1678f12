"""Asking the model hub for a file once.

The hub's own client tries for half a minute where there is no network, says so at every try, and a pipeline has a dozen
files; so whether the hub can be reached is found out first.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

SERVER_FAULT = 500
"""Least status by which a server says that it is not the question's fault."""


def locate(repository: str, name: str) -> tuple[Path, bool]:
    """Return the path of a file of a repository in the cache, and whether the hub could be asked for it.

    Where the hub cannot be reached, or ``HF_HUB_OFFLINE`` forbids it, the file is what the cache holds.

    Raises
    ------
    HTTPError, OfflineModeIsEnabled
        The hub has no such file, or cannot be asked and the cache has none.
    """
    try:
        get_hf_file_metadata(hf_hub_url(repository, name))
    except (HTTPError, OfflineModeIsEnabled) as error:
        cached = try_to_load_from_cache(repository, name)
        if not isinstance(cached, str) or (
            isinstance(error, HfHubHTTPError) and error.response.status_code < SERVER_FAULT
        ):
            raise
        return Path(cached), False
    return Path(hf_hub_download(repository, name)), True
