"""Names -> classes, for everything a user may name on the command line.

Built-ins stand in plain tables next to the code (``generators.GENERATORS``, ``generators.codecs.CODECS``, ...);
installed packages add to them through entry points of the group ``harness.generators``, ``harness.codecs``, ..., in the
same form ``name = "module:Class"``.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from harness.errors import HarnessError, InputError


def table(group: str, builtin: Mapping[str, str]) -> dict[str, str]:
    """Return all names of a group: those of installed packages and the built-in ones, which cannot be replaced."""
    installed = {entry.name: entry.value for entry in entry_points(group=f"harness.{group}")}
    return {**installed, **builtin}


def find(group: str, builtin: Mapping[str, str], name: str) -> Any:
    """Import and return what ``name`` stands for. Raises ``InputError`` that lists the names and the nearest one.

    Raises ``HarnessError`` when it is registered but does not import.
    """
    known = table(group, builtin)
    if name not in known:
        raise InputError(unknown(group.removesuffix("s"), name, known))
    try:
        return pkgutil.resolve_name(known[name])
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"{name!r} stands for {known[name]}, which cannot be loaded: {error}") from error


def unknown(kind: str, name: str, known: Mapping[str, Any] | list[str]) -> str:
    """Message for a name that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(sorted(known)) or 'none'}"
