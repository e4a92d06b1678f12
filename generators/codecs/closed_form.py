"""A codec without training: three planted factors in the latents are the pitch, level and brightness of a tone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import librosa
import numpy as np
import torch
from scipy.linalg import hadamard
from torch import Tensor
from torch.nn import functional

from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.hashing import tensors_sha256

WINDOW_SAMPLES = 2048
PITCH_RANGE_SEMITONES = (48.0, 84.0)
LEVEL_RANGE_DB = (-60.0, -6.0)
MAX_CENTROID_HZ = 4000.0
SILENCE_DB = -100.0


@dataclass(frozen=True)
class Factor:
    """One property with a few levels; each level has a latent direction of its own."""

    name: str
    """``pitch``, ``loudness`` or ``timbre``."""
    levels: tuple[str, ...]
    """Words that name the levels, in ascending order of their values."""
    values: tuple[float, ...]
    """Ascending: MIDI semitones (pitch), RMS in dB re full scale (loudness), log2 of the centroid in Hz (timbre)."""
    weights: tuple[float, ...]
    """Prior probability of each level, up to a common scale."""
    norm: float
    """Length of a level's latent vector in every frame: the larger, the earlier the flow commits to it."""

    def __post_init__(self) -> None:
        if not len(self.levels) == len(self.values) == len(self.weights) > 0:
            raise ValueError(f"factor {self.name}: give as many values and weights as levels, at least one")
        if list(self.values) != sorted(set(self.values)):
            raise ValueError(f"factor {self.name}: values are {self.values}; give them in ascending order")
        if not (min(self.weights) > 0 and self.norm > 0):
            raise ValueError(f"factor {self.name}: weights and norm have to be positive")


FACTORS = (
    Factor(
        "pitch", ("C4", "D4", "E4", "G4", "A4"), (60.0, 62.0, 64.0, 67.0, 69.0), (0.1, 0.2, 0.4, 0.2, 0.1), norm=1.6
    ),
    Factor("loudness", ("quiet", "medium", "loud"), (-30.0, -21.0, -12.0), (0.25, 0.5, 0.25), norm=0.8),
    Factor(
        "timbre",
        ("dark", "neutral", "bright"),
        (math.log2(700), math.log2(1200), math.log2(2000)),
        (0.25, 0.5, 0.25),
        norm=0.4,
    ),
)
"""The built-in set. Unequal weights make the first guess the middle level; equal ones would let the largest coordinate
of the noise decide every factor at once, with no order to see."""


class ClosedFormCodec(Codec):
    """Latents ``[B, T, 16]`` <-> a mono harmonic tone, by formulas alone.

    A frame's value of a factor is linear in the latents: the mean of the level values plus, per level, its deviation
    from that mean times the latent's coordinate on that level's direction. The tone is a geometric series of harmonics
    with ratio ``1 - f0 / centroid``, whose amplitude-weighted mean frequency is the wanted centroid. Directions are
    rows of a Hadamard matrix; those no level uses are silent.

    ``encode`` measures f0, RMS and centroid per frame and writes them as a blend of the two nearest levels, so it
    inverts ``decode`` on the levels and between them; beyond the outermost levels, and in silent directions, it does
    not.
    """

    id = "closed-form"
    sample_rate_hz = 22050
    channels = 1
    hop_samples = 1024
    latent_channels = 16

    def __init__(self, factors: Sequence[Factor] = FACTORS) -> None:
        names = tuple(item.name for item in factors)
        if sorted(names) != ["loudness", "pitch", "timbre"]:
            raise ValueError(f"factors are {', '.join(names) or 'none'}; give pitch, loudness and timbre once each")
        count = sum(len(item.levels) for item in factors)
        if count > self.latent_channels:
            raise ValueError(f"{count} levels were given; {self.latent_channels} channels hold at most as many")
        self.factors = tuple(factors)
        basis = torch.from_numpy(hadamard(self.latent_channels)).float() / math.sqrt(self.latent_channels)
        ends = np.cumsum([len(item.levels) for item in factors])
        self.directions: dict[str, Tensor] = {
            item.name: basis[end - len(item.levels) : end] for item, end in zip(factors, ends, strict=True)
        }
        """Per factor: unit vectors ``[levels, C]``, orthogonal to one another and to those of other factors."""
        self.silent_directions = basis[count:]
        """Unit vectors ``[C - levels of all factors, C]`` that change nothing in the audio."""

    @property
    def weights_sha256(self) -> str:
        """Digest over directions, level values and norms."""
        tables = {item.name: torch.tensor([*item.values, item.norm], dtype=torch.float64) for item in self.factors}
        return tensors_sha256({**{f"directions.{name}": rows for name, rows in self.directions.items()}, **tables})

    def embed(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Latents ``[..., C]`` of level weights ``[..., levels]`` per factor (one-hot for a level itself)."""
        parts = [weights[item.name].float() @ (item.norm * self.directions[item.name]) for item in self.factors]
        return torch.stack(parts).sum(dim=0)

    def values(self, latents: Tensor) -> dict[str, Tensor]:
        """Each factor's value ``[..., T]`` in its own unit, read off latents ``[..., T, C]`` without any limit."""
        read = {}
        for item in self.factors:
            levels = torch.tensor(item.values, device=latents.device)
            coordinates = latents.float() @ self.directions[item.name].to(latents.device).T / item.norm
            read[item.name] = levels.mean() + coordinates @ (levels - levels.mean())
        return read

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]`` into audio ``[B, 1, T * hop]``; values are limited to an audible range."""
        if latents.dim() != 3 or latents.shape[-1] != self.latent_channels or not latents.shape[1]:
            raise ValueError(f"latents have shape {tuple(latents.shape)}; give [batch, frames >= 1, 16]")
        values = {name: self._to_samples(value) for name, value in self.values(latents).items()}
        f0_hz = midi_to_hz(values["pitch"].clamp(*PITCH_RANGE_SEMITONES))
        centroid_hz = torch.exp2(values["timbre"]).clamp(max=MAX_CENTROID_HZ).maximum(1.1 * f0_hz)
        rms = 10 ** (values["loudness"].clamp(*LEVEL_RANGE_DB) / 20)
        return (rms * self._tone(f0_hz, centroid_hz)).float().unsqueeze(1)

    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Measure audio ``[B, channels, N]`` and return latents ``[B, ceil(N / hop), C]``."""
        audio = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=self.channels)
        windows = self._windows(audio[:, 0].cpu()).numpy()
        measured = self._measure(windows)
        weights = {}
        for item in self.factors:
            hats = [np.interp(measured[item.name], item.values, row) for row in np.eye(len(item.values))]
            weights[item.name] = torch.from_numpy(np.stack(hats, axis=-1)).float()
        return self.embed(weights).to(audio.device)

    def _to_samples(self, value: Tensor) -> Tensor:
        """Interpolate per-frame values ``[B, T]`` between frame centres to ``[B, T * hop]``."""
        upsampled = functional.interpolate(
            value.double().unsqueeze(1), scale_factor=self.hop_samples, mode="linear", align_corners=False
        )
        return upsampled.squeeze(1)

    def _tone(self, f0_hz: Tensor, centroid_hz: Tensor) -> Tensor:
        """Unit-RMS tone ``[B, N]``: the sum over h = 1..H of r^(h-1) sin(h * phase), H below the Nyquist rate."""
        ratio = 1 - f0_hz / centroid_hz
        harmonics = torch.floor(0.99 * self.sample_rate_hz / 2 / f0_hz)
        phase = 2 * math.pi * torch.cumsum(f0_hz, dim=-1) / self.sample_rate_hz
        turn = torch.polar(torch.ones_like(phase), phase)
        last = torch.polar(ratio**harmonics, (harmonics + 1) * phase)
        series = ((turn - last) / (1 - ratio * turn)).imag
        power = (1 - ratio ** (2 * harmonics)) / (1 - ratio**2) / 2
        return series / power.sqrt()

    def _windows(self, audio: Tensor) -> Tensor:
        """Cut ``[B, N]`` into ``[B, T, window]``: around each frame's centre, moved inwards at the clip's ends."""
        samples = audio.shape[-1]
        frames = -(-samples // self.hop_samples)
        padded = functional.pad(audio, (0, max(WINDOW_SAMPLES - samples, 0)))
        starts = torch.arange(frames) * self.hop_samples + (self.hop_samples - WINDOW_SAMPLES) // 2
        starts = starts.clamp(0, padded.shape[-1] - WINDOW_SAMPLES)
        return padded[:, starts[:, None] + torch.arange(WINDOW_SAMPLES)]

    def _measure(self, windows: np.ndarray) -> dict[str, np.ndarray]:
        """Values ``[B, T]`` of the three factors in windows ``[B, T, window]``."""
        low, high = (float(librosa.midi_to_hz(semitone)) for semitone in PITCH_RANGE_SEMITONES)
        size = WINDOW_SAMPLES
        f0_hz = librosa.yin(
            windows, fmin=low, fmax=high, sr=self.sample_rate_hz, frame_length=size, hop_length=size, center=False
        )
        rms = librosa.feature.rms(y=windows, frame_length=size, hop_length=size, center=False)
        centroid_hz = librosa.feature.spectral_centroid(
            y=windows, sr=self.sample_rate_hz, n_fft=size, hop_length=size, center=False
        )
        return {
            "pitch": librosa.hz_to_midi(f0_hz[..., 0]),
            "loudness": 20 * np.log10(np.maximum(rms[..., 0, 0], 10 ** (SILENCE_DB / 20))),
            "timbre": np.log2(np.maximum(centroid_hz[..., 0, 0], 1.0)),
        }


def midi_to_hz(semitones: Tensor) -> Tensor:
    """Frequency in Hz of MIDI semitones (69 = 440 Hz)."""
    return 440.0 * torch.exp2((semitones - 69) / 12)
