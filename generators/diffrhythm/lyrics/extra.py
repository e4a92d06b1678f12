"""Packages that only lyrics need: the optional extra ``lyrics``."""

from __future__ import annotations

import importlib
from typing import Any

from generators.base import RequestError


def load(module: str, purpose: str) -> Any:
    """Import a module of the extra. Raises ``RequestError`` that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise RequestError(
            f"{purpose} need the package {module.partition('.')[0]!r}: pip install 'audio-diffusion-harness[lyrics]'; "
            "or give ready-made phones or ids (`lyrics_form`)"
        ) from None
