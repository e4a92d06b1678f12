import numpy as np
import pytest

from analysis.properties import PROPERTIES, load
from analysis.properties.base import Property
from analysis.properties.chroma import Chroma
from analysis.properties.frames import frame_grid
from analysis.properties.loudness import FLOOR_DB, MIN_WINDOW_S, SILENCE_LUFS, Loudness, integrated_lufs
from analysis.properties.onset import Onset
from analysis.properties.pitch import Pitch
from analysis.properties.pyin import PyinPitch
from analysis.properties.spectral_shape import SpectralShape
from analysis.properties.timbre import Timbre, hertz
from analysis.testing import FRAME_RATE_HZ, RATE_HZ, PropertyTests, tone


class TestPitch(PropertyTests):
    prop = Pitch()


@pytest.mark.slow
class TestPyinPitch(PropertyTests):
    prop = PyinPitch()


class TestLoudness(PropertyTests):
    prop = Loudness()


class TestTimbre(PropertyTests):
    prop = Timbre()


class TestSpectralShape(PropertyTests):
    prop = SpectralShape()


class TestOnset(PropertyTests):
    prop = Onset()


class TestChroma(PropertyTests):
    prop = Chroma()


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_name_loads_a_property_of_that_name(name: str) -> None:
    prop = load(name)
    assert isinstance(prop, Property)
    assert prop.name == name


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown property 'pitsch'; did you mean 'pitch'\? Known: .*loudness"):
        load("pitsch")


@pytest.mark.parametrize("frequency_hz", [32.703, 65.406, 110.0, 261.626, 440.0, 1046.5, 2093.0])
@pytest.mark.parametrize("partials", [1, 8])
def test_pitch_of_a_steady_tone_is_right_to_three_cents(frequency_hz: float, partials: int) -> None:
    track = Pitch().measure(tone(frequency_hz, partials=partials), RATE_HZ, FRAME_RATE_HZ)
    expected = 69 + 12 * np.log2(frequency_hz / 440)
    np.testing.assert_allclose(track.values[1:-1], expected, atol=0.03)
    assert track.valid[1:-1].all()


def test_pitch_is_found_without_its_fundamental() -> None:
    wave = tone(150, partials=8) - tone(150, level_db=-20 - 10 * np.log10(sum(1 / n**2 for n in range(1, 9))))
    track = Pitch().measure(wave, RATE_HZ, FRAME_RATE_HZ)
    np.testing.assert_allclose(track.values[1:-1], 69 + 12 * np.log2(150 / 440), atol=0.05)


def test_gain_moves_loudness_and_nothing_else() -> None:
    quiet, loud = tone(300, level_db=-30, partials=5), 2 * tone(300, level_db=-30, partials=5)
    for name, moved in (("pitch", 0.0), ("timbre", 0.0), ("loudness", 20 * np.log10(2))):
        prop = load(name)
        difference = prop.measure(loud, RATE_HZ, 20.0).values - prop.measure(quiet, RATE_HZ, 20.0).values
        np.testing.assert_allclose(difference, moved, atol=1e-3)


@pytest.mark.parametrize("level_db", [0.0, -20.0, -60.0])
@pytest.mark.parametrize("frame_rate_hz", [10.0, FRAME_RATE_HZ, 75.0, 86.13])
def test_loudness_of_a_tone_is_its_level(level_db: float, frame_rate_hz: float) -> None:
    track = Loudness().measure(tone(1000, level_db=level_db), RATE_HZ, frame_rate_hz)
    np.testing.assert_allclose(track.values[1:-1], level_db, atol=0.06)


def test_loudness_takes_the_energy_mean_over_channels() -> None:
    left_only = np.concatenate([tone(1000), np.zeros_like(tone(1000))])
    track = Loudness().measure(left_only, RATE_HZ, 20.0)
    np.testing.assert_allclose(track.values[1:-1], -20 - 10 * np.log10(2), atol=0.06)


@pytest.mark.parametrize(("frame_rate_hz", "frames"), [(7.3, None), (75.0, None), (20.0, 40), (20.0, 3)])
def test_loudness_is_the_mean_square_of_each_window(frame_rate_hz: float, frames: int | None) -> None:
    """Windows that overlap, that the audio's ends cut, that lie beyond it, and that do not reach its end."""
    audio = (0.1 * np.random.default_rng(0).standard_normal((2, 2, RATE_HZ))).astype(np.float32)
    grid = frame_grid(RATE_HZ, RATE_HZ, frame_rate_hz, frames)
    first, last = grid.bounds(max(grid.hop_samples, MIN_WINDOW_S * RATE_HZ))
    windows = [audio[..., max(a, 0) : b].astype(np.float64) for a, b in zip(first, last, strict=True)]
    power = [np.square(window).mean(axis=(1, 2)) if window.size else np.zeros(2) for window in windows]
    expected = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))).T
    np.testing.assert_allclose(Loudness().track(audio, grid).values, expected, atol=1e-4)


def test_silence_has_the_floor_and_no_pitch_or_timbre() -> None:
    silence = np.zeros((1, RATE_HZ), np.float32)
    np.testing.assert_array_equal(Loudness().measure(silence, RATE_HZ, 20.0).values, FLOOR_DB)
    for prop in (Pitch(), Timbre()):
        assert not prop.measure(silence, RATE_HZ, 20.0).valid.any()


def test_noise_is_not_voiced() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 2 * RATE_HZ)).astype(np.float32)
    assert Pitch().measure(noise, RATE_HZ, FRAME_RATE_HZ).valid.mean() < 0.05


@pytest.mark.parametrize("frequency_hz", [200.0, 1000.0, 5000.0])
def test_centroid_of_a_pure_tone_is_its_frequency(frequency_hz: float) -> None:
    track = Timbre().measure(tone(frequency_hz), RATE_HZ, FRAME_RATE_HZ)
    np.testing.assert_allclose(hertz(track.values[1:-1]), frequency_hz, rtol=0.01)


def test_pitch_classes_are_semitones_from_c1_to_f6() -> None:
    bins = Pitch().bins()
    assert bins.count == 66
    np.testing.assert_array_equal(bins.index([24, 69.49, 69.51, 89.4, 23.4, 89.6, np.nan]), [0, 45, 46, 65, -1, -1, -1])


def test_formats() -> None:
    assert [Pitch().format(v) for v in (69.0, 69.12, 59.9)] == ["A4", "A4 +12 cents", "C4 -10 cents"]
    assert Loudness().format(-20.26) == "-20.3 dB"
    assert [Timbre().format(v) for v in (-1.0, 1.0)] == ["500 Hz", "2.00 kHz"]


def test_lufs_of_a_997_hz_sine_is_the_standards_reference() -> None:
    """ITU-R BS.1770-4: a 0 dBFS (peak) 997 Hz sine in one channel reads -3.01 LKFS."""
    assert integrated_lufs(tone(997, 2.0, -3.0103, 48000), 48000) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("samples", [1, 100, 4800, 19199, 48000])
def test_lufs_of_short_clips_is_finite(samples: int) -> None:
    assert -70 <= integrated_lufs(tone(997, 1.0, -20, 48000)[:, :samples], 48000) < 0


def test_lufs_of_silence_and_of_many_channels() -> None:
    assert integrated_lufs(np.zeros((2, 48000), np.float32), 48000) == SILENCE_LUFS
    surround = np.zeros((6, 48000), np.float32)
    surround[3] = tone(60, 1.0, -10, 48000)
    assert integrated_lufs(surround, 48000) == SILENCE_LUFS, "the low-frequency channel does not count"
    with pytest.raises(ValueError, match=r"up to 5\.1 channels, got 8"):
        integrated_lufs(np.zeros((8, 48000), np.float32), 48000)


def test_chroma_of_a_note_is_its_pitch_class() -> None:
    track = Chroma().measure(tone(440), RATE_HZ, 20.0)
    inner = track.values[2:-2]
    assert np.all(inner[:, Chroma.components.index("A")] > 0.85)
    np.testing.assert_allclose(inner.sum(axis=1), 1, atol=1e-5)


def test_onsets_are_where_notes_begin() -> None:
    gap = np.zeros((1, 10 * 1024), np.float32)
    clip = np.concatenate([gap, tone(440, 10 * 1024 / RATE_HZ, partials=20), gap], axis=1)
    strength = Onset().measure(clip, RATE_HZ, FRAME_RATE_HZ).values
    assert strength.argmax() in (9, 10, 11)
    assert np.all(strength[13:19] < 0.1 * strength.max())
    assert np.all(strength[22:] == 0), "an end is no onset"


def test_spectral_shape_tells_sounds_of_one_centroid_apart() -> None:
    """A tone at 1 kHz, and two tones around it: the centroid is the same, the spread is not."""
    one, two = tone(1000), (tone(500) + tone(1500)) / np.float32(np.sqrt(2))
    timbre, shape = Timbre(), SpectralShape()
    centroids = [timbre.measure(clip, RATE_HZ, 20.0).values[4] for clip in (one, two)]
    assert timbre.agrees(*centroids)
    shapes = [shape.measure(clip, RATE_HZ, 20.0).values[4] for clip in (one, two)]
    assert not shape.agrees(*shapes)
    assert shapes[0][shape.components.index("spread")] < 0.1 < shapes[1][shape.components.index("spread")]


def test_spectral_shape_does_not_change_with_level() -> None:
    loud, quiet = (SpectralShape().measure(tone(300, level_db=level, partials=9), RATE_HZ, 20.0) for level in (-6, -50))
    np.testing.assert_allclose(loud.values, quiet.values, atol=2e-2)


def test_rolloff_of_a_pure_tone_is_its_frequency() -> None:
    values = SpectralShape().measure(tone(2000), RATE_HZ, 20.0).values[3:-3]
    np.testing.assert_allclose(values[:, SpectralShape.components.index("rolloff")], 1.0, atol=0.03)


@pytest.mark.slow
def test_pyin_and_the_tracker_agree_on_a_glide() -> None:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(110 * 2**time_s) / RATE_HZ
    clip = 0.2 * sum(np.sin(k * phase) / k for k in range(1, 8)).astype(np.float32)[None]
    fast, slow = (load(name).measure(clip, RATE_HZ, FRAME_RATE_HZ) for name in ("pitch", "pitch-pyin"))
    assert np.abs(fast.values - slow.values)[2:-2].max() < 0.2
    assert slow.valid[2:-2].all()
    assert fast.valid[2:-2].all()
