"""What every property must do: the suite, and tones to measure.

>>> class TestLoudness(PropertyTests):
...     prop = Loudness()
"""

from __future__ import annotations

import numpy as np
import pytest

from analysis.properties.base import BinKind, Property
from analysis.properties.frames import Array, AudioError

RATE_HZ = 22050
FRAME_RATE_HZ = RATE_HZ / 1024


def tone(
    frequency_hz: float, duration_s: float = 0.5, level_db: float = -20.0, rate_hz: int = RATE_HZ, partials: int = 1
) -> Array:
    """Make a steady tone ``[1, N]`` of the given RMS level, with partials that fall off as 1 / number."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    wave = sum(np.sin(2 * np.pi * frequency_hz * n * time_s) / n for n in range(1, partials + 1))
    gain = 10 ** (level_db / 20) / np.sqrt(sum(0.5 / n**2 for n in range(1, partials + 1)))
    return np.asarray(gain * wave, np.float32)[None]


class PropertyTests:
    """What every property must do, whatever it measures."""

    prop: Property

    def test_shapes_and_types(self) -> None:
        """Values, validity and confidence have the promised shapes, types and ranges."""
        track = self.prop.measure(tone(440, partials=5), RATE_HZ, FRAME_RATE_HZ)
        frames = int(np.ceil(0.5 * FRAME_RATE_HZ))
        last = () if self.prop.dimensions is None else (self.prop.dimensions,)
        assert track.values.shape == (frames, *last)
        assert track.values.dtype == track.confidence.dtype == np.float32
        assert track.valid.shape == track.confidence.shape == (frames,)
        assert track.valid.dtype == np.bool_
        assert np.isfinite(track.values).all()
        assert track.valid[1:-1].all()
        assert np.all((track.confidence >= 0) & (track.confidence <= 1))
        assert len(self.prop.components) == (self.prop.dimensions or 0)

    @pytest.mark.parametrize("channels", [1, 2, 6])
    def test_equal_channels_measure_as_one(self, channels: int) -> None:
        """The same sound in every channel measures like that sound in one."""
        mono = tone(330, partials=4)
        wide = self.prop.measure(np.repeat(mono, channels, axis=0), RATE_HZ, FRAME_RATE_HZ)
        np.testing.assert_allclose(wide.values, self.prop.measure(mono, RATE_HZ, FRAME_RATE_HZ).values, atol=1e-3)

    def test_batch_equals_single_clips(self) -> None:
        """Clips do not see their neighbours in the batch."""
        clips = np.stack([tone(f, partials=6) for f in (110, 440, 1200)] + [np.zeros((1, RATE_HZ // 2), np.float32)])
        batch = self.prop.measure_batch(clips, RATE_HZ, FRAME_RATE_HZ)
        for i, clip in enumerate(clips):
            single = self.prop.measure(clip, RATE_HZ, FRAME_RATE_HZ)
            np.testing.assert_allclose(batch[i].values, single.values, atol=1e-4)
            np.testing.assert_array_equal(batch[i].valid, single.valid)

    def test_delay_by_frames_shifts_the_track(self) -> None:
        """A delay of whole frames moves the values by as many frames."""
        clip = np.concatenate([tone(220, 0.3, partials=6), tone(550, 0.3, -30, partials=3)], axis=1)
        delayed = np.pad(clip, ((0, 0), (2 * 1024, 0)))
        before = self.prop.measure(clip, RATE_HZ, FRAME_RATE_HZ)
        after = self.prop.measure(delayed, RATE_HZ, FRAME_RATE_HZ)
        inner = slice(3, len(before.values) - 3)
        np.testing.assert_allclose(after.values[2:][inner], before.values[inner], atol=2e-3)

    @pytest.mark.parametrize("rate_hz", [8000, 16000, 48000, 192000])
    def test_sample_rate_does_not_matter(self, rate_hz: int) -> None:
        """Band-limited sound, steady in the middle: within a tenth of the tolerance at every rate."""
        reference = self.prop.measure(tone(440, partials=4), RATE_HZ, 20.0)
        other = self.prop.measure(tone(440, partials=4, rate_hz=rate_hz), rate_hz, 20.0)
        assert other.values.shape == reference.values.shape
        distance = self.prop.distance(other.values[3:-3], reference.values[3:-3])
        assert distance.max() <= self.prop.tolerance / 10

    @pytest.mark.parametrize("samples", [1, 7, 1024])
    def test_one_frame_clips(self, samples: int) -> None:
        """Clips down to a single sample have one frame and a finite value."""
        track = self.prop.measure(np.full((1, samples), 0.1, np.float32), RATE_HZ, FRAME_RATE_HZ)
        assert len(track.values) == 1
        assert np.isfinite(track.values).all()

    def test_asked_frames_are_given_and_those_beyond_the_audio_are_not_valid(self) -> None:
        """``frames`` sets T; the audio sets what is valid."""
        clip = tone(440, 0.25, partials=3)
        full = self.prop.measure(clip, RATE_HZ, FRAME_RATE_HZ)
        longer = self.prop.measure(clip, RATE_HZ, FRAME_RATE_HZ, frames=len(full.values) + 4)
        np.testing.assert_allclose(longer.values[: len(full.values)], full.values, atol=1e-5)
        assert not longer.valid[len(full.values) :].any()
        shorter = self.prop.measure(clip, RATE_HZ, FRAME_RATE_HZ, frames=2)
        np.testing.assert_allclose(shorter.values, full.values[:2], atol=1e-5)

    def test_silence_is_finite(self) -> None:
        """Digital silence gives numbers."""
        track = self.prop.measure(np.zeros((2, RATE_HZ // 4), np.float32), RATE_HZ, FRAME_RATE_HZ)
        assert np.isfinite(track.values).all()

    def test_bad_audio_is_refused(self) -> None:
        """Each kind of unusable audio gets an ``AudioError`` that says what is wrong."""
        nan = tone(440)
        nan[0, 5] = np.nan
        bad = [
            (nan, "1 samples that are NaN"),
            (tone(440)[0], r"\[channels, samples\]"),
            (np.zeros((1, 0), np.float32), "is empty"),
            (np.zeros((1, 9), np.int16), "float array"),
        ]
        for audio, message in bad:
            with pytest.raises(AudioError, match=message):
                self.prop.measure(audio, RATE_HZ, FRAME_RATE_HZ)

    @pytest.mark.parametrize("field", ["sample_rate_hz", "frame_rate_hz"])
    def test_bad_rates_are_refused(self, field: str) -> None:
        """A rate of zero is named in the error."""
        rates = {"sample_rate_hz": float(RATE_HZ), "frame_rate_hz": FRAME_RATE_HZ} | {field: 0.0}
        with pytest.raises(ValueError, match=f"{field} must be a positive number"):
            self.prop.measure(tone(440), rates["sample_rate_hz"], rates["frame_rate_hz"])

    def test_agreement_and_format(self) -> None:
        """Values agree within the tolerance and not beyond it, and can be written out."""
        value = self.prop.measure(tone(440), RATE_HZ, FRAME_RATE_HZ).values[4]
        limit = self.prop.tolerance * np.asarray(self.prop.scale or 1)
        assert self.prop.agrees(value, value)
        assert self.prop.agrees(value, value + 0.9 * limit)
        assert not self.prop.agrees(value, value + 1.1 * limit)
        assert not self.prop.agrees(value, np.nan * value)
        assert self.prop.format(float(np.ravel(value)[0]))

    def test_bins_hold_the_values_they_were_fitted_on(self) -> None:
        """Fitted classes are ordered, complete, and contain their own centres."""
        values = np.linspace(40, 80, 500)
        if self.prop.dimensions is not None:
            with pytest.raises(ValueError, match="vector property"):
                self.prop.bins(values)
            return
        kinds: tuple[BinKind, ...] = ("equal_width", "quantile")
        for kind in kinds:
            bins = self.prop.bins(values, kind)
            index = bins.index(values)
            assert bins.count == self.prop.bin_count
            assert index.min() >= 0
            assert index.max() < bins.count
            assert np.all(np.diff(index) >= 0)
            np.testing.assert_array_equal(bins.index(bins.centres), np.arange(bins.count))
