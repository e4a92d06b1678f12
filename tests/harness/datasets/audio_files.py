"""Audio files for tests: tones, and every kind of file a user should not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 22050


def tone(frequency_hz: float, samples: int = 6000, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / rate_hz)).astype(np.float32)


def write_tones(folder: Path, count: int = 6) -> Path:
    """``count`` short tones, two of them in a folder of their own."""
    (folder / "inner").mkdir(parents=True, exist_ok=True)
    for index in range(count):
        place = folder / "inner" if index < 2 else folder
        soundfile.write(place / f"tone{index}.wav", tone(200 + 40 * index), RATE_HZ)
    return folder


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
