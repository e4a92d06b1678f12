"""Which codec a pipeline ends in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generators.base import CheckpointError
from generators.codecs.base import Codec
from generators.diffusers_audio.mel_codec import MelCodec
from generators.diffusers_audio.wave_codec import VAES, WaveCodec

PARTS = ("vae", "vocoder")
"""Components of a pipeline that a codec is made of."""


def decodes_audio(classes: Mapping[str, str]) -> bool:
    """Say whether components, given as name -> class, make a codec known here."""
    return classes.get("vae") in VAES or (
        classes.get("vae") == "AutoencoderKL" and classes.get("vocoder") == "SpeechT5HifiGan"
    )


def codec_of(components: Mapping[str, Any], source: str) -> Codec:
    """Make the codec of a pipeline from its components; ``source`` is its id or folder.

    Raises ``CheckpointError`` when they are of no kind known here.
    """
    classes = {name: type(components[name]).__name__ for name in PARTS if components.get(name) is not None}
    if not decodes_audio(classes):
        found = ", ".join(f"{name} {kind}" for name, kind in classes.items()) or "no vae"
        raise CheckpointError(
            f"{source}: has {found}, from which no audio can be decoded here; give a text-to-audio pipeline "
            f"with one of {', '.join(VAES)}, or AutoencoderKL with SpeechT5HifiGan"
        )
    if classes["vae"] in VAES:
        return WaveCodec(components["vae"])
    return MelCodec(components["vae"], components["vocoder"])
