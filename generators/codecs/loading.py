"""Loading a codec class with what a user named, refusing what it does not take."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generators.codecs.base import Codec


def load_class(kind: type[Codec], name: str, weights: str | Path | None, options: Mapping[str, Any]) -> Codec:
    """Load a codec by its ``from_pretrained``, or by its constructor when it has no weights.

    ``name`` is for messages; options that are None are left out. Raises ``ValueError`` for an option that the codec
    does not take, and for weights it does not need or has none of its own.
    """
    load = getattr(kind, "from_pretrained", None)
    taken = inspect.signature(load).parameters if load else {}
    given = {key: value for key, value in options.items() if value is not None}
    unknown = [key for key in given if key not in taken and (load or key != "device")]
    if unknown:
        known = ", ".join(key for key in taken if key != "path") or "none"
        raise ValueError(f"codec {name!r} takes no {' or '.join(unknown)}; its options are {known}")
    if load is None:
        if weights is not None:
            raise ValueError(f"codec {name!r} has no weights to load")
        return kind()
    codec: Codec = load(weights, **given)
    return codec
