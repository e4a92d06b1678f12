"""The codec in a DiffRhythm generator's folder: named when it is registered, written when it is DiffRhythm's own.

``DiffRhythmVae`` is imported where it is needed: it brings all of diffusers' autoencoders, seconds of import time, and
``mini`` shares this package.
"""

from __future__ import annotations

from pathlib import Path

from generators.base import CheckpointError
from generators.codecs import CODECS, load
from generators.codecs.base import Codec
from generators.folder import GENERATOR_FILE

CODEC_FOLDER = "codec"
OWN_CODEC = "diffrhythm-vae"


def save_codec(codec: Codec, directory: Path) -> str | None:
    """Return the name to note; None for a ``DiffRhythmVae``, which is written. Raises ``ValueError`` for any other."""
    if codec.id in CODECS and codec.id != OWN_CODEC:
        return codec.id
    from generators.codecs.diffrhythm_vae import DiffRhythmVae

    if not isinstance(codec, DiffRhythmVae):
        raise ValueError(f"codec {codec.id!r} is neither registered nor a DiffRhythmVae; it cannot be saved")
    codec.save_pretrained(directory / CODEC_FOLDER)
    return None


def load_codec(directory: Path, name: str | None, device: str) -> Codec:
    """Load what ``save_codec`` noted or wrote. Raises ``CheckpointError``."""
    if name is None:
        from generators.codecs.diffrhythm_vae import DiffRhythmVae

        return DiffRhythmVae.from_pretrained(directory / CODEC_FOLDER, device=device)
    if name not in CODECS:
        raise CheckpointError(f"{directory / GENERATOR_FILE}: unknown codec {name!r}, not {', '.join(CODECS)}")
    return load(name, device=device)
