from __future__ import annotations

import numpy as np
import pytest

from analysis.attributes import EGEMAPS, egemaps, has_egemaps
from analysis.properties.frames import AudioError

RATE_HZ = 16000

pytestmark = pytest.mark.skipif(not has_egemaps(), reason="needs the extra [opensmile]")


def harmonic(f0_hz: float, seconds: float = 1.0) -> np.ndarray:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (0.1 * sum(np.sin(2 * np.pi * h * f0_hz * time_s) / h for h in range(1, 12)))[None].astype(np.float32)


def test_pitch_is_in_semitones_and_loudness_grows_with_level():
    low, high, loud = (egemaps(x, RATE_HZ) for x in (harmonic(110), harmonic(220), 4 * harmonic(110)))
    assert set(low) == set(EGEMAPS)
    assert low["pitch"] == pytest.approx(24, abs=0.1)  # 110 Hz is two octaves above 27.5 Hz
    assert high["pitch"] - low["pitch"] == pytest.approx(12, abs=0.1)
    assert loud["loudness"] > 1.5 * low["loudness"]
    assert low["jitter"] < 0.01


def test_a_clip_too_short_is_nan_and_bad_audio_is_refused():
    assert all(np.isnan(value) for value in egemaps(harmonic(220, 0.01), RATE_HZ).values())
    with pytest.raises(AudioError):
        egemaps(np.full((1, 100), np.nan, np.float32), RATE_HZ)
