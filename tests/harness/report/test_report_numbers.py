"""The statistics behind the figures, against values known in closed form."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from analysis import properties
from harness.report.chart import EmergenceChart
from harness.report.latents import Energy, Norms
from harness.report.players import common_gain, data_uri
from harness.report.plots import SERIES, thin, ticks
from harness.report.spectrogram import RANGE_DB, Spectrogram
from harness.report.tracks import Tracks, finding

RATE_HZ = 22050


def sine(frequency_hz: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    time_s = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)[None]


def pitch_tracks(values: list[list[float]], final: list[float]) -> Tracks:
    steps = np.arange(len(values))
    frames = np.arange(len(final), dtype=np.float32)
    table = np.array(values, np.float32)
    return Tracks(properties.load("pitch"), steps, steps / len(steps), frames, table, np.array(final, np.float32))


NONE = float("nan")


def test_share_counts_frames_of_the_final_sound_only():
    track = pitch_tracks([[60, 70, 50, 60], [60.4, 64, NONE, NONE], [60, 64, 67, 90]], [60, 64, 67, NONE])
    assert track.share == pytest.approx([1 / 3, 2 / 3, 1])
    assert track.commit == 2
    assert track.settled == "from step 2 (t = 0.67)"


def test_commit_is_the_first_step_of_the_last_run_of_agreement():
    track = pitch_tracks([[60], [61], [60], [60]], [60])
    assert track.commit == 2
    assert pitch_tracks([[60], [60]], [60]).settled == "from the first step"
    assert pitch_tracks([[60], [61]], [60]).settled == "at no step for good"


def test_without_the_property_there_is_nothing_to_compare():
    track = pitch_tracks([[60], [61]], [NONE])
    assert np.isnan(track.share).all()
    assert track.commit is None
    assert finding((track,), 2, "final audio") == "The final audio has no pitch."
    assert "nothing to compare" in finding((), 2, "final audio")


def test_figures_draw_what_the_numbers_say():
    track = pitch_tracks([[60, NONE], [62, 64]], [62, 64])
    steps, final = track.figure().data
    assert np.array_equal(steps.z, track.values, equal_nan=True)
    assert np.array_equal(final.z[0], track.final)
    assert (steps.zmin, steps.zmax) == (final.zmin, final.zmax)


def test_emergence_chart_draws_shares_and_baselines():
    track = pitch_tracks([[60, NONE], [62, 64]], [62, 64])
    chart = EmergenceChart.of((track,), {}).figure()
    lines = {line.name: line for line in chart.data}
    assert list(lines["pitch"].y) == [0, 1]
    dashed = [line for line in chart.data if line.line.dash == "dash" and line.showlegend is False]
    assert [list(line.y) for line in dashed] == [[0.5, 0.5]]


def test_baseline_is_the_best_constant_answer():
    assert pitch_tracks([[60]], [60, 60.5, 61, 70, NONE]).baseline == pytest.approx(3 / 4)  # 60.5, to half a semitone
    assert np.isnan(pitch_tracks([[60]], [NONE]).baseline)


def test_share_lies_within_its_interval():
    truth = [60.0] * 30 + [NONE] * 10
    track = pitch_tracks([[60.0] * 20 + [70.0] * 20, [60.0] * 40], truth)
    found = track.share_interval
    assert found.value == pytest.approx([2 / 3, 1])
    assert found.low[0] < 2 / 3 < found.high[0]
    assert (found.low[1], found.high[1]) == pytest.approx((1, 1))


def test_finding_says_what_was_decided_when_and_what_was_not():
    early = pitch_tracks([[60], [62], [62], [62]], [62])
    never = pitch_tracks([[60], [62], [62], [60]], [62])
    assert finding((early,), 9, "final audio") == (
        "Pitch was decided by step 1 of 9; the noise and the prompt alone predicted next to none of it."
    )
    assert finding((never,), 9, "final audio").startswith("Pitch was never decided for good; the noise")


def test_spectrogram_peaks_where_the_sine_is():
    spectrogram = Spectrogram.of(sine(1000.0)[None], RATE_HZ)
    peak = spectrogram.band_hz[spectrogram.level_db[0].mean(axis=1).argmax()]
    assert abs(np.log2(peak / 1000)) < 1 / 12
    assert spectrogram.level_db.max() == 0
    assert spectrogram.level_db.min() >= -RANGE_DB


@pytest.mark.parametrize("samples", [1, 500, 5000, 60 * RATE_HZ])
@pytest.mark.parametrize("rate_hz", [16000, 22050, 44100])
def test_spectrogram_of_any_length_stays_within_its_frames(samples, rate_hz):
    spectrogram = Spectrogram.of(np.zeros((2, 1, samples), np.float32), rate_hz, max_frames=100)
    assert spectrogram.level_db.shape == (2, len(spectrogram.band_hz), len(spectrogram.time_s))
    assert 1 <= len(spectrogram.time_s) <= 100
    assert spectrogram.level_db.dtype == np.float32


def test_change_of_the_state_is_the_velocity_times_the_step(make_trace):
    trace = make_trace(steps=5)
    norms = Norms.of(trace)
    assert norms.x_t.shape == norms.velocity.shape == (5,)
    assert norms.velocity_change.shape == (4,)
    assert norms.x_t_change == pytest.approx(norms.velocity[:-1] / 5, rel=1e-4)


def test_energy_is_the_rms_over_channels(make_trace):
    trace = make_trace(steps=5)
    energy = Energy.of(trace)
    assert energy.x_t[2] == pytest.approx(np.sqrt((trace.x_t[2] ** 2).mean(axis=1)), rel=1e-5)
    assert energy.x1_hat[4] == pytest.approx(np.sqrt((trace.x_t[5] ** 2).mean(axis=1)), rel=1e-4)


def test_energy_of_many_steps_is_thinned(make_trace):
    steps = Energy.of(make_trace(steps=200, duration_s=0.1)).steps
    assert (len(steps), steps[0], steps[-1]) == (128, 0, 199)


@pytest.mark.parametrize(("rate_hz", "kind"), [(22050, "mpeg"), (44100, "mpeg"), (30000, "flac"), (96000, "flac")])
@pytest.mark.parametrize("channels", [1, 2])
def test_players_hold_the_sound(rate_hz, kind, channels):
    time_s = np.arange(rate_hz) / rate_hz
    audio = np.tile(0.5 * np.sin(2 * np.pi * 440 * time_s), (channels, 1)).astype(np.float32)
    head, data = data_uri(audio, rate_hz).split(",")
    assert head == f"data:audio/{kind};base64"
    decoded, found_hz = soundfile.read(io.BytesIO(base64.b64decode(data)), always_2d=True)
    assert found_hz == rate_hz
    assert decoded.shape == (rate_hz, channels)
    middle = slice(rate_hz // 4, 3 * rate_hz // 4)
    assert np.corrcoef(decoded[middle, 0], audio[0, middle])[0, 1] > 0.99


def test_common_gain_only_turns_down():
    assert common_gain(sine(440, amplitude=0.5)) == 1
    assert common_gain(sine(440, amplitude=0.5), 4 * np.ones((1, 3), np.float32)) == pytest.approx(0.245)
    assert common_gain(np.zeros((1, 0), np.float32)) == 1


def test_thin_keeps_both_ends():
    assert thin(5).tolist() == [0, 1, 2, 3, 4]
    kept = thin(1000, 100)
    assert (len(kept), kept[0], kept[-1]) == (100, 0, 999)
    assert thin(0).size == 0


@pytest.mark.parametrize("name", ["pitch", "loudness", "timbre"])
@pytest.mark.parametrize("span", [(59.2, 60.1), (-80.0, 0.0), (24.0, 90.0)])
def test_ticks_lie_within_the_axis(name, span):
    found = ticks(name, properties.load(name).format, *span)
    assert all(span[0] <= value <= span[1] for value in found["tickvals"])
    assert len(found["tickvals"]) == len(found["ticktext"])


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """Contrast ratio of WCAG 2."""
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_colours_reach_the_contrast_of_wcag_aa():
    import re
    from importlib.resources import files

    style = files("harness.report").joinpath("assets", "report.css").read_text()
    themes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r"\{([^{}]*--page:[^{}]*)\}", style)
    ]
    assert len(themes) == 3
    assert themes[1] == themes[2]
    for theme in themes:
        for text in ("ink", "soft", "accent"):
            for ground in ("page", "raised"):
                assert contrast(theme[text], theme[ground]) >= 4.5
        assert contrast(theme["ink"], theme["note"]) >= 4.5
        assert all(contrast(colour, theme["page"]) >= 3 for colour in SERIES)
