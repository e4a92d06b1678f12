import numpy as np
import pytest

from analysis.properties.frames import frame_grid
from analysis.properties.tracker import track_f0
from analysis.testing import FRAME_RATE_HZ, RATE_HZ, tone


def cents(f0_hz: np.ndarray, true_hz: np.ndarray | float) -> np.ndarray:
    return 1200 * np.log2(f0_hz / true_hz)


def harmonic(f0_hz: np.ndarray, partials: int = 10) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    return (0.1 * sum(np.sin(k * phase + k**2) / k for k in range(1, partials + 1))).astype(np.float32)[None]


def track(signal: np.ndarray, frame_rate_hz: float = FRAME_RATE_HZ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(part[0] for part in track_f0(signal, frame_grid(signal.shape[1], RATE_HZ, frame_rate_hz)))


@pytest.mark.parametrize("note", range(25, 97, 6))
def test_every_octave_of_the_range(note: int) -> None:
    true_hz = 440 * 2 ** ((note - 69) / 12)
    f0_hz, periodicity, voiced = track(tone(true_hz, 1.0, partials=10))
    assert np.abs(cents(f0_hz, true_hz)[1:-1]).max() < 3
    assert periodicity[1:-1].min() > 0.9
    assert voiced[1:-1].all()


@pytest.mark.parametrize("true_hz", [65.4, 440.0, 1760.0])
@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 96000])
def test_every_rate_of_audio(rate_hz: int, true_hz: float) -> None:
    phase, partials = 2 * np.pi * true_hz * np.arange(rate_hz) / rate_hz, np.arange(1, int(rate_hz / 2 / true_hz))[:8]
    clip = 0.1 * sum(np.sin(k * phase + k**2) / k for k in partials)
    found = track_f0(clip.astype(np.float32)[None], frame_grid(rate_hz, rate_hz, 20.0))
    f0_hz, periodicity, voiced = (part[0, 1:-1] for part in found)
    assert np.abs(cents(f0_hz, true_hz)).max() < 3
    assert periodicity.min() > 0.9
    assert voiced.all()


@pytest.mark.parametrize("frame_rate_hz", [10.0, 21.5, 75.0, 100.0])
def test_vibrato_is_followed(frame_rate_hz: float) -> None:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    true_hz = 220 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 5.5 * time_s))
    f0_hz, _, voiced = track(harmonic(true_hz), frame_rate_hz)
    at = ((np.arange(len(f0_hz)) + 0.5) * RATE_HZ / frame_rate_hz).astype(int).clip(0, len(true_hz) - 1)
    assert np.abs(cents(f0_hz, true_hz[at])[1:-1]).max() < 30
    assert voiced[1:-1].all()


def test_weak_fundamental_in_noise_keeps_its_octave() -> None:
    rng = np.random.default_rng(1)
    clip = tone(98, 2.0, partials=12) - 0.95 * 10 ** (-20 / 20) * np.sqrt(2) * np.sin(
        2 * np.pi * 98 * np.arange(2 * RATE_HZ) / RATE_HZ
    ) / np.sqrt(sum(1 / n**2 for n in range(1, 13)))
    noisy = (clip + 0.02 * rng.standard_normal(clip.shape)).astype(np.float32)
    f0_hz, _, voiced = track(noisy)
    assert np.abs(cents(f0_hz, 98)[1:-1]).max() < 50
    assert voiced[1:-1].mean() > 0.95


def test_smoothing_bridges_a_bad_frame_but_not_a_new_note() -> None:
    """A burst of noise over one frame of a steady note; then a leap of a twelfth, which stays where it is."""
    steps = np.repeat([200.0, 600.0], 20 * 1024)
    clip = harmonic(steps, partials=6)
    clip[0, 8 * 1024 : 9 * 1024] += 0.15 * np.random.default_rng(0).standard_normal(1024).astype(np.float32)
    f0_hz, _, _ = track(clip)
    np.testing.assert_allclose(cents(f0_hz[1:19], 200), 0, atol=60)
    np.testing.assert_allclose(cents(f0_hz[21:-1], 600), 0, atol=10)


def test_tone_and_silence_are_told_apart() -> None:
    gap = np.zeros((1, 12 * 1024), np.float32)
    _, _, voiced = track(np.concatenate([gap, tone(300, 12 * 1024 / RATE_HZ, partials=5), gap], axis=1))
    assert voiced[13:23].all()
    assert not voiced[:10].any()
    assert not voiced[26:].any()


def test_what_sounds_above_the_range_has_no_pitch_but_rumble_hides_none() -> None:
    """A triangle of an orchestra was read as a pitch at the upper end of the range; an offset must not do the same."""
    high = tone(4300, 1.0, partials=1)
    assert not track(high)[2].any()
    low = tone(150, 1.0, partials=5)
    f0_hz, _, voiced = track(low + 0.5)
    assert voiced[1:-1].all()
    np.testing.assert_allclose(cents(f0_hz[1:-1], 150), 0, atol=10)
