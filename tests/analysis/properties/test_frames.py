import numpy as np
import pytest

from analysis.properties.frames import frame_grid, per_frame


@pytest.mark.parametrize(
    ("samples", "sample_rate_hz", "frame_rate_hz", "frames"),
    [
        (1, 22050, 22050 / 1024, 1),
        (1024, 22050, 22050 / 1024, 1),
        (1025, 22050, 22050 / 1024, 2),
        (44100, 44100, 44100 / 2048, 22),
        (24000, 24000, 75, 75),
        (3 * 44100, 44100, 21.5, 65),
    ],
)
def test_frames_are_counted_as_codecs_do(samples: int, sample_rate_hz: int, frame_rate_hz: float, frames: int) -> None:
    assert frame_grid(samples, sample_rate_hz, frame_rate_hz).frames == frames


def test_windows_of_one_hop_are_the_frames() -> None:
    signal = np.arange(40, dtype=np.float32)[None]
    grid = frame_grid(40, 8, 2)
    cut = per_frame(signal, grid, 4, np.copy)
    np.testing.assert_array_equal(cut[0], signal.reshape(10, 4))


def test_longer_windows_are_centred_and_see_zeros_outside() -> None:
    signal = np.arange(1, 9, dtype=np.float32)[None]
    cut = per_frame(signal, frame_grid(8, 8, 2), 8, np.copy)
    np.testing.assert_array_equal(cut[0], [[0, 0, 1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7, 8, 0, 0]])


def test_fractional_hops_do_not_drift() -> None:
    """A click in the middle of frame k is in the middle of window k, to the sample, an hour in."""
    frame_rate_hz, frames = 21.533203125, 4000
    grid = frame_grid(round(frames * 44100 / frame_rate_hz), 44100, frame_rate_hz)
    signal = np.zeros((1, grid.samples), np.float32)
    signal[0, np.floor((np.arange(grid.frames) + 0.5) * grid.hop_samples).astype(int)] = 1
    where = per_frame(signal, grid, 101, lambda w: w.argmax(axis=1).astype(np.float32))
    assert np.all(np.abs(where - 50) <= 1)


def test_blocks_do_not_show() -> None:
    signal = np.random.default_rng(0).standard_normal((3, 700)).astype(np.float32)
    grid = frame_grid(700, 100, 10)
    whole = per_frame(signal, grid, 25, np.copy, block_frames=10_000)
    np.testing.assert_array_equal(per_frame(signal, grid, 25, np.copy, block_frames=4), whole)


def test_frames_beyond_the_audio_are_zeros_and_not_inside() -> None:
    grid = frame_grid(10, 10, 2, frames=6)
    cut = per_frame(np.ones((1, 10), np.float32), grid, 5, np.copy)
    assert not cut[0, 2:].any()
    np.testing.assert_array_equal(grid.inside(), [True, True, False, False, False, False])


def test_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        frame_grid(10, 10, 2, frames=0)
