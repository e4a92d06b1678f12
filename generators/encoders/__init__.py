"""Audio encoders of transformers, looked at layer by layer: audio -> hidden states, one vector a frame. No torch here.

``load`` takes a hub id or a folder; the table says which class reads which ``model_type`` of a ``config.json``. No code
from the hub is ever run. A new family is one file with an ``AudioEncoder`` subclass and a line here.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generators.encoders.base import AudioEncoder

_WAVEFORM = "generators.encoders.waveform:WaveformEncoder"

ENCODERS: dict[str, str] = {
    "audio-spectrogram-transformer": "generators.encoders.ast:SpectrogramEncoder",
    "hubert": _WAVEFORM,
    "wav2vec2": _WAVEFORM,
    "wavlm": _WAVEFORM,
    "unispeech": _WAVEFORM,
    "unispeech-sat": _WAVEFORM,
    "data2vec-audio": _WAVEFORM,
    "wav2vec2-conformer": _WAVEFORM,
    "whisper": "generators.encoders.whisper:WhisperEncoder",
    "mert_model": "generators.encoders.mert:MertEncoder",
}
"""``model_type`` -> ``"module:Class"``."""


def load(name: str | Path) -> AudioEncoder:
    """Load an encoder by hub id or from a folder in transformers' layout, onto the CPU, in float32.

    Raises ``CheckpointError`` for what is no audio encoder, is damaged, or cannot be reached.
    """
    from generators.encoders.checkpoint import read_settings

    settings = read_settings(str(name))
    encoder: AudioEncoder = pkgutil.resolve_name(ENCODERS[settings["model_type"]]).from_pretrained(str(name), settings)
    return encoder
