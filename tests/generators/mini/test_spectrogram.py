"""Spectrograms and their inversion, against sounds whose spectra are known."""

from __future__ import annotations

import math

import pytest
import torch

from generators.mini.spectrogram import FLOOR, HOP, N_FFT, _istft, _stft, invert, log_magnitude

RATE_HZ = 22050


def tone(hz: float, columns: int = 64, amplitude: float = 0.5) -> torch.Tensor:
    return (amplitude * torch.sin(2 * math.pi * hz / RATE_HZ * torch.arange(columns * HOP)))[None]


def test_a_full_scale_sine_has_magnitude_one() -> None:
    on_bin_hz = 40 * RATE_HZ / N_FFT
    peak = log_magnitude(tone(on_bin_hz, amplitude=1.0))[0, 20:40].exp().max()
    assert peak.item() == pytest.approx(1.0 + FLOOR, abs=1e-3)


def test_inverse_transform_is_exact() -> None:
    audio = torch.randn(2, 32 * HOP, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(_istft(_stft(audio)), audio, atol=1e-5)


@pytest.mark.parametrize("hz", [130.8, 440.0, 1046.5])
def test_inversion_keeps_pitch_and_level(hz: float) -> None:
    audio = invert(log_magnitude(tone(hz)))
    middle = audio[0, 16 * HOP : 48 * HOP]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), 2**18).abs()
    found_hz = spectrum.argmax().item() * RATE_HZ / 2**18
    assert abs(1200 * math.log2(found_hz / hz)) < 5
    assert middle.square().mean().sqrt().item() == pytest.approx(0.5 / math.sqrt(2), rel=0.05)


def test_silence_stays_silent() -> None:
    assert invert(log_magnitude(torch.zeros(1, 8 * HOP))).abs().max() == 0


def test_inversion_of_a_batch_equals_that_of_its_items() -> None:
    log_mag = log_magnitude(torch.cat([tone(220.0, 16), tone(700.0, 16)]))
    together = invert(log_mag)
    for k in range(2):
        assert torch.allclose(together[k], invert(log_mag[k : k + 1])[0], atol=1e-4)
