"""A mel spectrogram to look at: audio -> numbers -> heat map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np
import plotly.graph_objects as go
import torch
from numpy.typing import NDArray

from harness.report import plots

FloatArray = NDArray[np.float32]

WINDOW_S = 0.08
BANDS = 80
RANGE_DB = 80.0
"""Levels further below the loudest point are drawn as this far below it."""
_TICKS_HZ = (200, 500, 1000, 2000, 5000, 10_000, 20_000)


@dataclass(frozen=True)
class Spectrogram:
    """Mel power spectrograms of clips of one length. Shape letters: R clips, F bands, T frames."""

    level_db: FloatArray
    """``[R, F, T]`` below the loudest point of all clips, within ``[-RANGE_DB, 0]``."""
    band_hz: FloatArray
    """``[F]`` centre frequencies."""
    time_s: FloatArray
    """``[T]``."""

    @classmethod
    def of(cls, clips: FloatArray, sample_rate_hz: int, max_frames: int = plots.MAX_POINTS) -> Spectrogram:
        """Measure ``clips [R, channels, N]``, N >= 1, averaging their channels."""
        mono = clips.mean(axis=1)
        window = 2 ** int(np.ceil(np.log2(WINDOW_S * sample_rate_hz)))
        hop = max(window // 8, mono.shape[1] // max_frames + 1)
        spectrum = torch.stft(
            torch.from_numpy(mono),
            window,
            hop,
            window=torch.hann_window(window),
            pad_mode="constant",
            return_complex=True,
        )
        filters = librosa.filters.mel(sr=sample_rate_hz, n_fft=window, n_mels=BANDS)
        power = filters @ spectrum.abs().square().numpy()
        tiny = np.finfo(np.float32).tiny
        level_db = np.maximum(10 * np.log10(np.maximum(power, tiny) / max(power.max(), tiny)), -RANGE_DB)
        band_hz = librosa.mel_frequencies(n_mels=BANDS + 2, fmax=sample_rate_hz / 2)[1:-1]
        time_s = np.arange(level_db.shape[2]) * hop / sample_rate_hz
        return cls(level_db.astype(np.float32), band_hz.astype(np.float32), time_s.astype(np.float32))

    def heatmap(self, clip: int, **options: Any) -> go.Heatmap:
        """One clip as a heat map over time and band number; ``axis`` labels the bands in Hz."""
        bands = np.arange(len(self.band_hz), dtype=np.float32)
        hover = "%{z:.0f} dB at %{x:.2f} s<extra></extra>"
        scale = {"zmin": -RANGE_DB, "zmax": 0, "hovertemplate": hover}
        whole_db = self.level_db[clip].round().astype(np.int8)  # finer steps cannot be seen, and are most of the page
        return plots.heatmap(self.time_s, bands, whole_db, "dB re loudest", **scale, **options)

    def axis(self) -> dict[str, Any]:
        """Frequency axis of ``heatmap``: bands are evenly spaced, their labels are in Hz."""
        ticks = [hz for hz in _TICKS_HZ if self.band_hz[0] <= hz <= self.band_hz[-1]]
        places = np.interp(ticks, self.band_hz, np.arange(len(self.band_hz)))
        labels = [f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz" for hz in ticks]
        return {"tickvals": places.tolist(), "ticktext": labels, "title": "frequency", "showgrid": False}
