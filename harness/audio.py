"""Audio files for listening. What is measured is the float audio in the trace, never these."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soundfile

from harness.errors import HarnessError, StorageError
from harness.files import whole


def write_wav(path: Path, audio: np.ndarray, sample_rate_hz: int) -> float:
    """Write 16-bit PCM and return the gain that was applied, in dB.

    The gain is 0 unless the peak exceeds 1: then the file is turned down just enough not to clip. Raises
    ``HarnessError`` for audio that is not finite and ``StorageError`` when it cannot be written.

    Parameters
    ----------
    path
        Replaced when it exists.
    audio
        float32 ``[channels, N]``.
    sample_rate_hz
        Of ``audio``.
    """
    if not np.isfinite(audio).all():
        raise HarnessError("the generator produced audio that is not finite (NaN or infinite); nothing can be written")
    peak = float(np.abs(audio).max(initial=0.0))
    gain = 1.0 / peak if peak > 1.0 else 1.0
    with whole(path) as part:
        try:
            soundfile.write(part, (audio * gain).T, sample_rate_hz, format="WAV", subtype="PCM_16")
        except soundfile.LibsndfileError as error:
            raise StorageError(f"cannot write {path}: {error.error_string}") from error
    return 20 * math.log10(gain)
