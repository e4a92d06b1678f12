"""The audio pipelines of diffusers, all through one adapter. Importing this package is light: no torch."""

from __future__ import annotations

import re
from pathlib import Path

PREFIX = "diffusers:"
"""In front of the id or folder of a pipeline, this names its codec."""
INDEX = "model_index.json"
"""What marks a folder in diffusers' layout."""
HUB_ID = re.compile(r"[\w.-]*\w/[\w.-]+")


def names_pipeline(name: str) -> bool:
    """Say whether ``name`` is a folder in diffusers' layout, or no folder but of the form of a hub id, owner/name."""
    if Path(name).is_dir():
        return (Path(name) / INDEX).is_file()
    return HUB_ID.fullmatch(name) is not None
