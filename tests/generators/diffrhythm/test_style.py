"""Styles from files, from audio, and from MuQ-MuLan's process, which here runs a package of the same shape."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from torch import Tensor

from generators.base import GenerationRequest, RequestError
from generators.diffrhythm.muq_process import MuqStyle
from generators.diffrhythm.request import OPTIONS
from generators.diffrhythm.style import negative_style_of, read_clip, read_vector, style_of

MUQ = """
import os
print("loading", flush=True)

class MuQMuLan:
    @classmethod
    def from_pretrained(cls, name, strict=False):
        assert strict and os.environ["HF_HUB_OFFLINE"] == "1"
        if name == "absent":
            raise FileNotFoundError("no such\\nmodel")
        return cls()
    def eval(self):
        return self
    def __call__(self, wavs=None, texts=None):
        import torch
        if texts == ["die"]:
            os._exit(3)
        if texts == ["nan"]:
            return torch.full((1, 4), torch.nan)
        if wavs is not None:
            return wavs[:, :4] * 2
        return torch.tensor([[len(texts[0]), 0, 0, 1.0]])
"""


class Lengths:
    """A ``StyleEncoder`` whose styles can be foretold."""

    def __init__(self) -> None:
        self.clips: list[np.ndarray] = []

    def text(self, prompt: str) -> Tensor:
        return torch.full((4,), float(len(prompt)))

    def audio(self, clip: np.ndarray) -> Tensor:
        self.clips.append(clip)
        return torch.ones(4)

    def close(self) -> None:
        pass


def request(prompt: str = "pop", **options: object) -> GenerationRequest:
    return GenerationRequest(prompt, options={**OPTIONS, **options})


def write_ramp(file: Path, seconds: float, rate_hz: int = 24_000) -> Path:
    """Write stereo audio whose left channel is the time in 100 s, and whose right one is silent."""
    times = np.arange(int(seconds * rate_hz)) / rate_hz / 100
    soundfile.write(file, np.stack([times, 0 * times], axis=1), rate_hz, subtype="FLOAT")
    return file


@pytest.mark.parametrize(("seconds", "start_s"), [(10.0, 0), (11.9, 0), (12.0, 1), (31.5, 10)])
def test_a_clip_begins_five_seconds_before_the_middle(tmp_path: Path, seconds: float, start_s: int) -> None:
    clip = read_clip(write_ramp(tmp_path / "a.wav", seconds))
    assert clip.shape == (240_000,)
    assert clip.dtype == np.float32
    expected = (start_s + np.arange(240_000) / 24_000) / 200
    np.testing.assert_allclose(clip, expected, atol=1e-6)


def test_a_clip_of_another_rate_has_the_same_length(tmp_path: Path) -> None:
    clip = read_clip(write_ramp(tmp_path / "a.wav", 12.0, 44_100))
    assert clip.shape == (240_000,)
    np.testing.assert_allclose(clip[1000:-1000], (1 + np.arange(240_000) / 24_000)[1000:-1000] / 200, atol=1e-4)


def test_bad_recordings(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"lasts 9\.9 s; a style is made of 10 s"):
        read_clip(write_ramp(tmp_path / "a.wav", 9.9))
    (tmp_path / "b.wav").write_text("no audio")
    with pytest.raises(RequestError, match="cannot be read as audio"):
        read_clip(tmp_path / "b.wav")
    with pytest.raises(RequestError, match="cannot be read as audio"):
        read_clip(tmp_path / "nowhere.wav")


def test_where_a_style_comes_from(tmp_path: Path) -> None:
    encoder, recording = Lengths(), write_ramp(tmp_path / "a.wav", 10.0)
    save_file({"style": torch.arange(4.0)}, tmp_path / "s.safetensors")
    assert style_of(request("four"), 4, encoder=encoder).tolist() == [4.0] * 4
    assert style_of(request(style_audio=str(recording)), 4, encoder=encoder).tolist() == [1.0] * 4
    assert len(encoder.clips) == 1
    embedding = request(style_embedding=str(tmp_path / "s.safetensors"))
    assert style_of(embedding, 4).tolist() == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(RequestError, match="both given"):
        style_of(request(style_audio="a", style_embedding="b"), 4)
    with pytest.raises(RequestError, match="styles of 4 numbers; this model reads 8"):
        style_of(request(), 8, encoder=encoder)
    with pytest.raises(RequestError, match="--style-embedding"):
        style_of(request(), 4)
    assert style_of(request(), 4, "prompt-hash").norm() == pytest.approx(1)


def test_the_negative_style_of_the_original_code(tmp_path: Path) -> None:
    np.save(tmp_path / "vocal.npy", np.ones((1, 4), np.float32))
    assert read_vector(tmp_path / "vocal.npy", "negative_style", 4).tolist() == [1.0] * 4
    assert negative_style_of(request(negative_style=str(tmp_path / "vocal.npy")), 4, None).tolist() == [1.0] * 4
    with pytest.raises(RequestError, match=r"infer/example/vocal\.npy"):
        negative_style_of(request(), 4, None)
    np.save(tmp_path / "pickled.npy", np.array([{}]))
    for name in ("pickled.npy", "nowhere.npy"):
        with pytest.raises(RequestError, match="no array of plain numbers"):
            read_vector(tmp_path / name, "negative_style", 4)


@pytest.fixture
def muq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "muq.py").write_text(MUQ)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("muq")
def test_the_process_answers_remembers_and_ends() -> None:
    encoder = MuqStyle("model")
    assert encoder.text("abc").tolist() == [3.0, 0.0, 0.0, 1.0]
    process = encoder._process
    assert process is not None
    assert encoder.audio(np.arange(240_000, dtype=np.float32)).tolist() == [0.0, 2.0, 4.0, 6.0]
    with pytest.raises(RequestError, match="not finite"):
        encoder.text("nan")
    encoder.close()
    assert process.poll() == 0
    assert encoder.text("abc").tolist() == [3.0, 0.0, 0.0, 1.0]
    assert encoder._process is None, "a known answer must not start it again"
    with pytest.raises(RequestError, match="the process ended"):
        encoder.text("die")
    assert encoder._process is None


@pytest.mark.usefixtures("muq")
def test_a_model_that_is_not_here() -> None:
    with pytest.raises(RequestError, match=r"FileNotFoundError: no such model; its files are fetched with 'harness"):
        MuqStyle("absent").text("a")


def test_no_muq_and_no_interpreter() -> None:
    with pytest.raises(RequestError, match="'muq' is not installed for"):
        MuqStyle(python=sys.executable).text("a")
    with pytest.raises(RequestError, match="cannot be started"):
        MuqStyle(python="/no/such/python").text("a")
    with pytest.raises(RequestError, match="the process ended: no reason given"):
        MuqStyle(python="true").text("a")
    with pytest.raises(RequestError, match="the prompt is empty"):
        MuqStyle().text(" ")
