"""What an SAE's reconstruction sounds like: the codec's decoding of it against that of the vectors themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch

from analysis import properties
from analysis.properties.frames import frame_grid
from analysis.properties.spectrum import SILENCE_DB, Spectrum, decibels
from analysis.sae.base import SAE
from generators.codecs.base import Codec
from harness.datasets.reader import Dataset
from harness.errors import InputError

CLIP_FRAMES = 108
"""Longest stretch of a file that is decoded (5 s of ``mini``)."""


@dataclass(frozen=True)
class SoundMetrics:
    """Mean absolute differences over frames; NaN where no frame has the property in both."""

    clips: int
    """Held-out files that were decoded."""
    log_mel_db: float
    """Between mel bands, each in dB above the level of silence."""
    pitch_semitones: float
    loudness_db: float
    timbre_octaves: float

    def to_json(self) -> dict[str, float | None]:
        """Return the fields as JSON-ready values."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


@torch.inference_mode()
def sound_metrics(sae: SAE, dataset: Dataset, codec: Codec, split: str, clips: int) -> SoundMetrics:
    """Decode up to ``clips`` files of a split, and their reconstructions, with the codec whose latents they are."""
    differences: dict[str, list[np.ndarray]] = {name: [] for name in ("log_mel", "pitch", "loudness", "timbre")}
    bounds = pairwise(accumulate((file.rows for file in dataset.files), initial=0))
    chosen = [bound for file, bound in zip(dataset.files, bounds, strict=True) if file.split == split][:clips]
    for start, stop in chosen:
        latents = torch.from_numpy(dataset.rows()[start : min(stop, start + CLIP_FRAMES)])
        pair = [codec.decode(x[None])[0].numpy() for x in (latents, sae(latents))]
        for name, values in differences.items():
            values.append(_difference(name, pair, codec, len(latents)))
    joined = [np.concatenate(values) for values in differences.values()]
    return SoundMetrics(len(chosen), *(float(values.mean()) if len(values) else np.nan for values in joined))


def require_codec(dataset: Dataset, codec: Codec) -> None:
    """Raise ``InputError`` unless the vectors are ``codec``'s latents."""
    source = dataset.source
    if (source.model_id, source.weights_sha256, source.hook_point) != (codec.id, codec.weights_sha256, "latents"):
        raise InputError(f"{dataset.path} does not hold clean latents of the codec {codec.id!r} as it is now")


def _difference(name: str, pair: list[np.ndarray], codec: Codec, frames: int) -> np.ndarray:
    if name == "log_mel":
        mels = [_log_mel(audio, codec, frames) for audio in pair]
        return np.asarray(np.abs(mels[0] - mels[1]).ravel())
    measured = properties.load(name)
    tracks = [measured.measure(audio, codec.sample_rate_hz, codec.frame_rate_hz, frames) for audio in pair]
    both = tracks[0].valid & tracks[1].valid
    return np.asarray(measured.distance(tracks[0].values[both], tracks[1].values[both]))


def _log_mel(audio: np.ndarray, codec: Codec, frames: int) -> np.ndarray:
    """Mel bands ``[frames, bands]`` of the channels' mean, in dB, at least ``SILENCE_DB``."""
    spectrum = Spectrum(frame_grid(audio.shape[1], codec.sample_rate_hz, codec.frame_rate_hz, frames))
    mono = audio.mean(axis=0, keepdims=True)
    floor = 10 ** (SILENCE_DB / 10)
    return np.asarray(spectrum.per_frame(mono, lambda magnitudes: decibels(magnitudes**2 @ spectrum.mel, floor))[0])
