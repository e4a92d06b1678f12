"""Recordings edited: the sound that comes out has the property that was asked for, and what cannot be done is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from generators.codecs.closed_form import ClosedFormCodec
from generators.mini.codec import MiniCodec
from harness.codecs import CodecSpec
from harness.datasets.build import build
from harness.datasets.reader import open_dataset
from harness.datasets.sources import audio_sources
from harness.decoding.artifacts import read_artifacts
from harness.editing.edit import edit_recording
from harness.errors import InputError
from harness.fitting.probes import fit_probes, frames_of
from harness.fitting.saes import load_sae, train_saes
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.interventions.still import edit_latents

DATA = Path(__file__).parents[2] / "data"
A4, C5 = 69.0, 72.0


def note(semitone: float, seconds: float = 2.0, rate_hz: int = 22050) -> np.ndarray:
    """A decaying tone of eight harmonics, float32 ``[1, N]``."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    f0_hz = 440 * 2 ** ((semitone - 69) / 12)
    tone = sum(0.6**h * np.sin(2 * np.pi * h * f0_hz * t) for h in range(1, 9))
    return (0.1 * np.exp(-0.3 * t) * tone).astype(np.float32)[None]


def test_three_semitones_up_on_mini() -> None:
    result = edit_recording(note(A4), 22050, MiniCodec.from_pretrained(), [SetProperty("pitch", 3.0)])
    before, after = result.moved["pitch"]
    assert abs(before - A4) < 0.5
    assert abs(after - C5) < 0.5
    assert result.reached["pitch"] > 0.5
    assert result.audio.shape == result.decoded.shape == (1, 44100)


def test_strength_0_and_frames_outside_the_window_stay_as_they_are() -> None:
    codec = MiniCodec.from_pretrained()
    latents = codec.encode(torch.from_numpy(note(A4))[None], 22050)
    wanted = SetProperty("pitch", 3.0)
    assert torch.equal(edit_latents(latents, wanted, codec, strength=0.0), latents)
    part = SetProperty("pitch", 3.0, schedule=Schedule(frames_s=(0.5, 1.0)))
    edited = edit_latents(latents, part, codec)
    changed = (edited != latents).any(dim=-1)[0]
    assert changed[12:20].any()
    assert not changed[:10].any()
    assert not changed[22:].any()


@pytest.mark.parametrize(
    ("audio", "message"),
    [(np.zeros((1, 22050), np.float32), "no frame of the recording has a pitch"), (note(A4, 0.01), "no frame")],
    ids=["silence", "0.01 s"],
)
def test_recordings_without_the_property(audio: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        edit_recording(audio, 22050, MiniCodec.from_pretrained(), [SetProperty("pitch", 3.0)])


def test_codecs_without_codes_or_artifacts() -> None:
    with pytest.raises(InputError, match="has no codes"):
        edit_recording(note(A4), 22050, MiniCodec.from_pretrained(), [SetProperty("pitch", 3.0)], requantise=True)
    with pytest.raises(InputError, match="no SAE and probes are shipped"):
        edit_recording(note(A4), 22050, ClosedFormCodec(), [SetProperty("pitch", 3.0)])


def test_from_data_set_to_edit_with_encodec(tmp_path: Path) -> None:
    import soundfile

    spec = CodecSpec("encodec", str(DATA / "encodec/stereo_segments.th"), str(DATA / "encodec/stereo_segments.json"))
    codec = spec.load()
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(12):
        audio = 10 ** (-index / 10) * note(57 + 2 * index, 0.15, 24000)
        soundfile.write(folder / f"{index}.wav", audio.T, 24000)
    build(*audio_sources([folder], spec, ("loudness",)), tmp_path / "set.h5")
    with open_dataset(tmp_path / "set.h5") as dataset:
        assert dataset.source.d_in == codec.latent_channels
        assert dataset.codec == spec.to_json()
        assert CodecSpec(**dataset.codec).load().weights_sha256 == codec.weights_sha256
        config = SAEConfig("topk", codec.latent_channels, 32, k=8)
        (trained,) = train_saes(
            dataset, [config], tmp_path / "sae", TrainConfig(steps=20, batch_size=64), codec=codec, clips=1
        )
        assert trained.sound is not None
        sae = load_sae(tmp_path / "sae")
        list(fit_probes(dataset, frames_of(dataset, 8), ("loudness",), tmp_path / "probes", sae=sae))
        artifacts = read_artifacts(dataset.source, tmp_path / "probes", tmp_path / "sae")
    result = edit_recording(
        note(A4, 0.3, 24000), 24000, codec, [SetProperty("loudness", -3.0)], artifacts, strength=1.0
    )
    assert result.audio.shape == (codec.channels, round(0.3 * codec.sample_rate_hz))
    assert np.isfinite(result.audio).all()
    assert set(result.reached) == {"loudness"}
