"""Log-magnitude spectrograms on the latent grid, and the way back to sound."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

N_FFT, HOP = 1024, 256
STACK = 4
"""Spectrogram columns in one latent frame."""
BINS = N_FFT // 2 + 1
FLOOR = 3e-5
"""Smallest magnitude that is told from silence; a full-scale sine has magnitude 1."""
CEILING = 4.0
"""Largest log-magnitude that is turned into sound, 35 dB above full scale."""
_EDGE = (N_FFT - HOP) // 2


def _window(like: Tensor) -> Tensor:
    return torch.hann_window(N_FFT, dtype=like.dtype, device=like.device)


def _stft(audio: Tensor) -> Tensor:
    """Complex ``[B, J, BINS]`` of audio ``[B, J * HOP]``; column j is centred on samples j * HOP .. (j + 1) * HOP."""
    padded = F.pad(audio, (_EDGE, _EDGE))
    spectrum: Tensor = torch.fft.rfft(padded.unfold(-1, N_FFT, HOP) * _window(audio))
    return spectrum


def _istft(spectrum: Tensor) -> Tensor:
    """Least-squares inverse of ``_stft``: ``[B, J, BINS]`` to ``[B, J * HOP]``."""
    window = _window(spectrum.real)
    columns = torch.fft.irfft(spectrum, N_FFT) * window
    length = (columns.shape[1] - 1) * HOP + N_FFT

    def overlap_add(x: Tensor) -> Tensor:
        return F.fold(x.transpose(1, 2), (1, length), (1, N_FFT), stride=(1, HOP))[:, 0, 0]

    norm = overlap_add((window**2).expand(1, columns.shape[1], N_FFT))
    return (overlap_add(columns) / norm.clamp_min(1e-3))[:, _EDGE : length - _EDGE]


def log_magnitude(audio: Tensor) -> Tensor:
    """Natural log of the magnitude spectrogram, ``[B, J * HOP]`` to ``[B, J, BINS]``."""
    return torch.log(_stft(audio).abs() * (4 / N_FFT) + FLOOR)


def linear(log_mag: Tensor) -> Tensor:
    """Turn what ``log_magnitude`` gives, or an edit of it, into magnitudes; a full-scale sine has magnitude 1."""
    # Edited latents may ask for anything; what is far above full scale is cut before it overflows.
    return (log_mag.clamp(max=CEILING).exp() - FLOOR).clamp_min(0)


def invert(log_mag: Tensor, iterations: int = 16) -> Tensor:
    """Find audio ``[B, J * HOP]`` whose spectrogram is ``log_mag [B, J, BINS]``.

    Single-pass spectrogram inversion (Beauregard et al., DAFx 2015) gives the phases of stable sinusoids; the fast
    Griffin-Lim algorithm (Perraudin et al., WASPAA 2013) then makes columns agree. Deterministic.
    """
    magnitude = linear(log_mag) * (N_FFT / 4)
    target = magnitude * torch.polar(torch.ones_like(magnitude), _single_pass_phase(magnitude))
    previous, momentum = target, 0.99
    estimate = target
    for _ in range(iterations):
        consistent = _stft(_istft(estimate))
        ahead = consistent + momentum * (consistent - previous)
        previous = consistent
        estimate = magnitude * ahead / ahead.abs().clamp_min(1e-9)
    return _istft(estimate)


def _single_pass_phase(magnitude: Tensor) -> Tensor:
    """Phases ``[B, J, BINS]``: each spectral peak runs on at its own frequency, its neighbours are locked to it."""
    batch, columns, bins = magnitude.shape
    # On a log scale a windowed sinusoid's peak is nearly a parabola, whose top is its frequency in bins.
    level = magnitude.clamp_min(1e-9).log()
    left, centre, right = level[..., :-2], level[..., 1:-1], level[..., 2:]
    is_peak = F.pad((centre > left) & (centre >= right), (1, 1))
    shift = 0.5 * (left - right) / (left - 2 * centre + right).clamp(max=-1e-9)
    frequency = torch.arange(bins, device=magnitude.device) + F.pad(shift.clamp(-0.5, 0.5), (1, 1))
    owner = _nearest_peak(is_peak)
    advance = (2 * math.pi * HOP / N_FFT) * frequency.gather(-1, owner)
    # Seen from the column's first sample, a centred sinusoid has alternating signs in neighbouring bins.
    sign = math.pi * ((torch.arange(bins, device=magnitude.device) - owner) % 2)
    phase = torch.zeros(batch, bins, dtype=magnitude.dtype, device=magnitude.device)
    rows = []
    for j in range(columns):
        at_peak = phase.gather(-1, owner[:, j]) + advance[:, j]
        rows.append(at_peak + sign[:, j])
        phase = torch.remainder(at_peak, 2 * math.pi)
    return torch.stack(rows, 1)


def _nearest_peak(is_peak: Tensor) -> Tensor:
    """Index of the peak that owns each bin: the nearest one, below or above."""
    bins = is_peak.shape[-1]
    index = torch.arange(bins, device=is_peak.device).expand(is_peak.shape)
    below = torch.where(is_peak, index, -bins).cummax(-1).values
    above = torch.where(is_peak, index, 2 * bins).flip(-1).cummin(-1).values.flip(-1)
    nearest = torch.where(index - below <= above - index, below, above)
    return torch.where((nearest < 0) | (nearest >= bins), index, nearest)
