"""The audio pipelines of diffusers, all through one adapter. Importing this package is light: no torch."""

from __future__ import annotations

import re
from pathlib import Path

PREFIX = "diffusers:"
"""In front of the id or folder of a pipeline, this finds its codec; in front of its classes, it is the codec's id."""
INDEX = "model_index.json"
"""What marks a folder in diffusers' layout."""
HUB_ID = re.compile(r"[\w.-]*\w/[\w.-]+")


def names_pipeline(name: str) -> bool:
    """Say whether ``name`` is a folder in diffusers' layout, or no folder but of the form of a hub id, owner/name."""
    if Path(name).is_dir():
        return (Path(name) / INDEX).is_file()
    return HUB_ID.fullmatch(name) is not None


def codec_id(*parts: object) -> str:
    """Identify a codec by the classes of its ``parts``, not by where they lay: folders move, weights have a hash."""
    return PREFIX + "+".join(type(part).__name__ for part in parts)
