"""Codecs: audio <-> latents. Importing this package is light: no torch."""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.codecs.base import Codec

CODECS: dict[str, str] = {
    "closed-form": "generators.codecs.closed_form:ClosedFormCodec",
    "diffrhythm-vae": "generators.codecs.diffrhythm_vae:DiffRhythmVae",
    "encodec": "generators.codecs.encodec:Encodec",
    "mini": "generators.mini.codec:MiniCodec",
    "wavtokenizer": "generators.codecs.wavtokenizer:WavTokenizer",
}
"""Built-in codecs, ``"name": "module:Class"``; a new one is one file and one line here."""


def load(name: str, *, weights: str | Path | None = None, config: str | Path | None = None, **options: Any) -> Codec:
    """Load a built-in codec.

    Parameters
    ----------
    name
        A key of ``CODECS``.
    weights
        A checkpoint in the form its ``from_pretrained`` reads; None for the default one.
    config
        File that states what the checkpoint does not, for codecs that have such a thing.
    **options
        What else ``from_pretrained`` takes: ``device``; ``bandwidth_kbps`` of ``encodec``, ``bandwidth_id`` of
        ``wavtokenizer``. None means the default.

    Raises
    ------
    ValueError
        For an unknown name or option.
    CheckpointError
        Names the faulty file.
    """
    if name not in CODECS:
        raise ValueError(f"unknown codec {name!r}; known: {', '.join(CODECS)}")
    from generators.codecs.loading import load_class

    return load_class(pkgutil.resolve_name(CODECS[name]), name, weights, {"config": config, **options})
