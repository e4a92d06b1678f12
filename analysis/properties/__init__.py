"""Per-frame properties of audio: the targets that probes learn and emergence curves are measured against.

A new property is one file with a ``Property`` subclass and one line in ``PROPERTIES``; it passes
``analysis.testing.PropertyTests``.
"""

from __future__ import annotations

import difflib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.properties.base import Property

PROPERTIES: dict[str, str] = {
    "pitch": "analysis.properties.pitch:Pitch",
    "pitch-crepe": "analysis.properties.crepe:CrepePitch",
    "pitch-pyin": "analysis.properties.pyin:PyinPitch",
    "loudness": "analysis.properties.loudness:Loudness",
    "timbre": "analysis.properties.timbre:Timbre",
    "spectral_shape": "analysis.properties.spectral_shape:SpectralShape",
    "onset": "analysis.properties.onset:Onset",
    "chroma": "analysis.properties.chroma:Chroma",
}
"""Name -> ``"module:Class"`` of every built-in property."""


def load(name: str) -> Property:
    """Import and build the property called ``name`` with its defaults. Raises ``ValueError`` that lists the names."""
    if name not in PROPERTIES:
        near = difflib.get_close_matches(name, PROPERTIES, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"unknown property {name!r}{hint} Known: {', '.join(sorted(PROPERTIES))}")
    built: Property = pkgutil.resolve_name(PROPERTIES[name])()
    return built
