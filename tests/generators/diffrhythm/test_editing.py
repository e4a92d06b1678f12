from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from generators.base import RequestError
from generators.codecs.closed_form import ClosedFormCodec
from generators.diffrhythm.editing import check_recording, edit_ranges, encode_recording
from generators.diffrhythm.lengths import FRAME_RATE_HZ
from generators.testing import Recorder
from tests.generators.diffrhythm.lyrics.recorded import read_json
from tests.generators.diffrhythm.test_generator import random, short

CODEC = ClosedFormCodec()
FRAMES = 10


def ranges(regenerate, frames=100, edit="song.wav"):
    return edit_ranges({"edit": edit, "regenerate": regenerate}, frames=frames, frame_rate_hz=10.0)


def record(path, seconds=0.5, rate_hz=None, channels=1):
    rate_hz = rate_hz or CODEC.sample_rate_hz
    samples = np.random.default_rng(0).normal(size=(round(seconds * rate_hz), channels)) * 0.1
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


@pytest.mark.parametrize("case", read_json("edit_masks"), ids=lambda case: f"{case['segments']} of {case['duration']}")
def test_recorded_masks(case):
    options = {"edit": "song.wav", "regenerate": case["segments"]}
    found = edit_ranges(options, frames=case["duration"], frame_rate_hz=FRAME_RATE_HZ)
    assert found == [(first, min(end, case["duration"])) for first, end in case["pred_frames"]]
    mask = torch.zeros(case["duration"], dtype=torch.bool)
    for first, end in found:
        mask[first:end] = True
    expected = torch.zeros_like(mask)
    for first, end in case["regenerated"]:
        expected[first:end] = True
    assert torch.equal(mask, expected)


def test_no_edit():
    assert ranges(None, edit=None) is None


@pytest.mark.parametrize(
    ("regenerate", "message"),
    [
        (None, "say what to make anew"),
        ([], "say what to make anew"),
        ("10-25", "say what to make anew"),
        ([5], "pairs of seconds"),
        (["12"], "pairs of seconds"),
        ([[1, 2, 3]], "pairs of seconds"),
        ([[1, True]], "pairs of seconds"),
        ([[-2, 1]], "pairs of seconds"),
        ([[0, float("nan")]], "pairs of seconds"),
        ([[0, 1], [3, 2]], "3 to 2 s, which is no frame"),
        ([[10, 20]], "10 to 20 s, which is no frame of this song of 10.00 s"),
        ([[1, 1.05]], "which is no frame"),
    ],
)
def test_bad_ranges(regenerate, message):
    with pytest.raises(RequestError, match=message):
        ranges(regenerate)


def test_ranges_without_a_recording():
    with pytest.raises(RequestError, match="name the recording"):
        ranges([[0, 1]], edit=None)


def test_recordings_that_cannot_be_used(tmp_path):
    with pytest.raises(RequestError, match=r"nowhere\.wav: no audio that can be read"):
        check_recording(tmp_path / "nowhere.wav", CODEC, FRAMES)
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(RequestError, match=r"text\.wav: no audio that can be read"):
        check_recording(tmp_path / "text.wav", CODEC, FRAMES)
    with pytest.raises(RequestError, match=r"lasts 0\.30 s and the song 0\.4\d s"):
        check_recording(record(tmp_path / "short.wav", 0.3), CODEC, FRAMES)
    soundfile.write(tmp_path / "nan.wav", np.full(20000, np.nan), CODEC.sample_rate_hz, subtype="FLOAT")
    with pytest.raises(RequestError, match=r"nan\.wav: audio holds NaN"):
        encode_recording(tmp_path / "nan.wav", CODEC, FRAMES)


def test_the_level_of_a_recording_does_not_matter(tmp_path):
    samples, rate_hz = soundfile.read(record(tmp_path / "a.wav"))
    soundfile.write(tmp_path / "b.wav", samples * 3, rate_hz, subtype="FLOAT")
    loud, quiet = (encode_recording(tmp_path / name, CODEC, FRAMES) for name in ("a.wav", "b.wav"))
    torch.testing.assert_close(loud, quiet, atol=1e-5, rtol=1e-5)
    peaked = torch.from_numpy(samples / abs(samples).max() * 0.501187).float()[None, None]
    torch.testing.assert_close(loud, CODEC.encode(peaked, rate_hz)[:, :FRAMES], atol=1e-4, rtol=1e-4)


def test_channels_and_rates(tmp_path):
    for name, options in {"mono": {}, "six": {"channels": 6}, "slow": {"rate_hz": 8000}}.items():
        file = record(tmp_path / f"{name}.wav", **options)
        check_recording(file, CODEC, FRAMES)
        assert encode_recording(file, CODEC, FRAMES).shape == (1, FRAMES, CODEC.latent_channels)
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(CODEC.sample_rate_hz), CODEC.sample_rate_hz)
    assert encode_recording(silent, CODEC, FRAMES).isfinite().all()


def test_an_edited_song(tmp_path):
    """Kept frames sound like the recording, the others like the last state; the trajectory is the model's own."""
    file, generator, recorder = record(tmp_path / "song.wav"), random(), Recorder("x_t")
    request = short(options={"edit": str(file), "regenerate": [[0, 0.1], [0.3, -1]]})
    plan = generator.plan(request)
    assert plan.sampler["regenerate"] == [(0, 2), (6, 10)]
    generation = generator.generate(request, [recorder])
    assert torch.equal(generation.latents, recorder.at("x_t", 3)[0])
    heard = generation.latents.clone()
    heard[2:6] = encode_recording(file, generator.codec, plan.frames)[0, 2:6]
    expected = generator.codec.decode(heard[None])[0].numpy()
    assert (generation.audio == expected).all()
    assert any("0.3 s were made anew" in note for note in generation.notes)
    plain = generator.generate(short())
    assert not torch.equal(plain.latents, generation.latents), "the network did not see the recording"
