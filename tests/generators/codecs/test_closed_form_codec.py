"""The analytic codec: what it decodes measures as what was asked."""

from __future__ import annotations

import dataclasses
import itertools

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.codecs.closed_form import FACTORS, ClosedFormCodec
from generators.testing import CodecTests

CODEC = ClosedFormCodec()
COMBINATIONS = list(itertools.product(range(5), range(3), range(3)))


class TestClosedFormCodec(CodecTests):
    def codec(self) -> Codec:
        return CODEC


def embed(pitch: int, loudness: int, timbre: int) -> Tensor:
    chosen = {"pitch": pitch, "loudness": loudness, "timbre": timbre}
    return CODEC.embed({item.name: torch.eye(len(item.levels))[chosen[item.name]] for item in FACTORS})


@pytest.fixture(scope="module")
def latents() -> Tensor:
    """Every combination, 9 frames each."""
    return torch.stack([embed(*levels) for levels in COMBINATIONS])[:, None].expand(-1, 9, -1)


@pytest.fixture(scope="module")
def audio(latents: Tensor) -> np.ndarray:
    samples: np.ndarray = CODEC.decode(latents)[:, 0].numpy()
    return samples


def test_directions_are_orthonormal() -> None:
    rows = torch.cat([*CODEC.directions.values(), CODEC.silent_directions])
    assert torch.equal(rows @ rows.T, torch.eye(16))


def test_pitch_is_the_asked_one(audio: np.ndarray) -> None:
    for clip, (pitch, loudness, _) in zip(audio, COMBINATIONS, strict=True):
        if loudness != 1:
            continue
        f0_hz, _, _ = librosa.pyin(clip, fmin=100, fmax=1000, sr=22050)
        cents = 100 * (librosa.hz_to_midi(np.nanmedian(f0_hz)) - FACTORS[0].values[pitch])
        assert abs(cents) < 10


def test_level_is_the_asked_one(audio: np.ndarray) -> None:
    rms_db = 20 * np.log10(np.sqrt((audio**2).mean(axis=1)))
    assert rms_db == pytest.approx([FACTORS[1].values[loudness] for _, loudness, _ in COMBINATIONS], abs=0.1)


def test_brightness_is_the_asked_one(audio: np.ndarray) -> None:
    centroid_hz = librosa.feature.spectral_centroid(y=audio, sr=22050, n_fft=2048, center=False).mean(axis=(1, 2))
    assert np.log2(centroid_hz) == pytest.approx([FACTORS[2].values[timbre] for _, _, timbre in COMBINATIONS], abs=0.05)


def test_encode_inverts_decode_on_the_levels(latents: Tensor, audio: np.ndarray) -> None:
    encoded = CODEC.encode(torch.from_numpy(audio)[:, None], 22050)
    assert (encoded - latents).abs().max() < 0.02


def test_encode_inverts_decode_between_the_levels() -> None:
    between = (0.3 * embed(1, 0, 1) + 0.7 * embed(2, 1, 2)).expand(1, 9, -1)
    encoded = CODEC.encode(CODEC.decode(between), 22050)
    assert (encoded - between).abs().max() < 0.02


def test_encode_reads_other_rates(latents: Tensor, audio: np.ndarray) -> None:
    resampled = librosa.resample(audio[:3], orig_sr=22050, target_sr=48000)
    encoded = CODEC.encode(torch.from_numpy(resampled)[:, None], 48000)
    assert (encoded - latents[:3]).abs().max() < 0.05


def test_values_move_smoothly_between_frames() -> None:
    glide = torch.stack([embed(0, 2, 1), embed(4, 2, 1)])[None].repeat_interleave(8, dim=1)
    audio = CODEC.decode(glide)[0, 0]
    assert audio.diff().abs().max() < 0.35, "a jump of phase would show as a click"


def test_silent_directions_are_not_heard() -> None:
    heard = embed(2, 1, 0).expand(1, 5, -1)
    silent = 3.0 * CODEC.silent_directions.sum(0)
    torch.testing.assert_close(CODEC.decode(heard + silent), CODEC.decode(heard), rtol=0, atol=1e-3)


def test_values_are_linear_in_the_latents() -> None:
    one, other = torch.randn(2, 1, 6, 16)
    mixed = CODEC.values(0.25 * one + 0.75 * other)
    for name, value in mixed.items():
        torch.testing.assert_close(value, 0.25 * CODEC.values(one)[name] + 0.75 * CODEC.values(other)[name])


@pytest.mark.parametrize("shape", [(3, 16), (1, 3, 15), (1, 0, 16)])
def test_wrong_latents_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="give \\[batch, frames"):
        CODEC.decode(torch.zeros(shape))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": (1.0, 2.0)}, "as many values"),
        ({"values": (3.0, 2.0, 1.0)}, "ascending"),
        ({"norm": 0.0}, "positive"),
        ({"weights": (1.0, 0.0, 1.0)}, "positive"),
    ],
)
def test_impossible_factors_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(FACTORS[1], **changes)


def test_codec_needs_its_three_factors() -> None:
    with pytest.raises(ValueError, match="pitch, loudness and timbre once each"):
        ClosedFormCodec(FACTORS[:2])
    crowded = tuple(map(str, range(12)))
    many = dataclasses.replace(FACTORS[0], levels=crowded, values=tuple(map(float, crowded)), weights=(1.0,) * 12)
    with pytest.raises(ValueError, match="18 levels"):
        ClosedFormCodec((many, *FACTORS[1:]))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(3), "give \\[batch, channels, samples\\]"),
        (torch.zeros(1, 1, 0), "at least one sample"),
        (torch.tensor([[[0.0, float("nan")]]]), "NaN"),
    ],
)
def test_prepare_audio_refuses(bad: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare_audio(bad, 22050, to_hz=22050, channels=1)


def test_prepare_audio_refuses_an_impossible_rate() -> None:
    with pytest.raises(ValueError, match="positive rate"):
        prepare_audio(torch.zeros(1, 1, 4), 0, to_hz=22050, channels=1)


def test_prepare_audio_mixes_and_copies_channels() -> None:
    stereo = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert torch.equal(prepare_audio(stereo, 8000, to_hz=8000, channels=1), torch.full((1, 1, 2), 0.5))
    assert torch.equal(prepare_audio(stereo[:, :1], 8000, to_hz=8000, channels=2), torch.tensor([[[1.0, 0.0]] * 2]))


def test_prepare_audio_keeps_a_tone_when_resampling() -> None:
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(48000) / 48000)[None, None]
    resampled = prepare_audio(tone, 48000, to_hz=22050, channels=1)[0, 0]
    expected = torch.sin(2 * torch.pi * 440 * torch.arange(22050) / 22050)
    assert len(resampled) == 22050
    assert (resampled - expected)[1000:-1000].abs().max() < 1e-3
