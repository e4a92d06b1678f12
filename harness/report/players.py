"""Audio for a web page: compressed, inline, at one common gain."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import soundfile
from numpy.typing import NDArray

_MP3_RATES_HZ = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
"""The sample rates that MPEG layer III knows; anything else is sent as FLAC, which browsers play as well."""


def common_gain(*audio: NDArray[np.float32]) -> float:
    """Factor that keeps the loudest sample of all clips below full scale; 1 where nothing is too loud."""
    peak = max((float(np.abs(clip).max()) for clip in audio if clip.size), default=0.0)
    return min(1.0, 0.98 / peak) if peak > 0 else 1.0


def data_uri(audio: NDArray[np.float32], sample_rate_hz: int) -> str:
    """Encode float32 ``[channels, N]`` within +-1 as a ``data:`` URI: MP3 where it can be that, else FLAC."""
    mp3 = sample_rate_hz in _MP3_RATES_HZ and audio.shape[0] <= 2
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, sample_rate_hz, format="MP3" if mp3 else "FLAC")
    kind = "audio/mpeg" if mp3 else "audio/flac"
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def data_uris(clips: Iterable[NDArray[np.float32]], sample_rate_hz: int) -> list[str]:
    """Encode several clips side by side; the encoder holds no lock of Python's."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(partial(data_uri, sample_rate_hz=sample_rate_hz), clips))
