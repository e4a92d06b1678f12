"""``harness edit``: what it writes and prints, and every way it is misused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.harness.cli.conftest import Invoke
from tests.harness.editing.test_edit import note

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a4.wav", note(69.0).T, 22050)
    return tmp_path / "a4.wav"


def test_it_writes_the_edited_sound(invoke: Invoke, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "c5.wav"
    result = invoke("edit", recording, "--set", "pitch=+3st", "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    before, after = document["moved"]["pitch"]
    assert abs(after - before - 3) < 0.5
    assert document["strengths"]["pitch"] >= 1
    audio, sample_rate_hz = soundfile.read(out)
    assert (len(audio), sample_rate_hz) == (44100, 22050)
    again = invoke("edit", recording, "--set", "pitch=+3st", "-o", out)
    assert again.exit_code == 1
    assert "already there; give --force" in again.stderr


def test_it_says_when_the_sound_is_not_what_was_asked_for(invoke: Invoke, tmp_path: Path) -> None:
    times_s = np.arange(44100) / 22050
    soundfile.write(tmp_path / "low.wav", 0.1 * np.sign(np.sin(2 * np.pi * 70 * times_s)), 22050)
    result = invoke("edit", tmp_path / "low.wav", "--set", "pitch=+3st", "-o", tmp_path / "up.wav")
    assert result.exit_code == 0
    assert "pitch: not reached in most frames" in result.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--set", "pitch=3st"), "a change has a sign"),
        (("--set", "smell=+3"), "unknown property 'smell'"),
        (("--set", "feature:3*2"), "sets no property"),
        (("--set", "pitch=+3st", "--sae", "x"), "--sae needs --probes"),
        (("--set", "pitch=+3st", "--codec", "mono"), "unknown codec 'mono'"),
        (("--set", "pitch=+3st", "--codec", "closed-form"), "no SAE and probes are shipped"),
        (("--set", "pitch=+3st", "--bandwidth-kbps", "6"), "'mini' takes no bandwidth_kbps"),
        (("--set", "pitch=+3st", "--requantise"), "has no codes"),
        (
            ("--set", "pitch=+3st", "--codec", "encodec", "--weights", str(DATA / "encodec/mono_causal.th")),
            "give a config",
        ),
        (
            ("--set", "pitch=+3st", "--codec", "wavtokenizer", "--weights", str(DATA / "encodec/mono_causal.th")),
            "'encodec'",
        ),
        (("--set", "pitch=+3st", "--weights", str(DATA), "--hub", "a/b"), "not both"),
    ],
    ids=str,
)
def test_misuse(args: tuple[str, ...], message: str, invoke: Invoke, recording: Path, tmp_path: Path) -> None:
    result = invoke("edit", recording, "-o", tmp_path / "out.wav", *args)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.wav").exists()


def test_a_bad_recording_is_named(invoke: Invoke, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.wav").write_bytes(recording.read_bytes()[:20000])
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "nan.wav", np.full(22050, np.nan), 22050, subtype="FLOAT")
    for name, fault in {"cut": "it is truncated", "text": "it cannot be read as audio", "nan": "holds NaN"}.items():
        path = tmp_path / f"{name}.wav"
        result = invoke("edit", path, "--set", "pitch=+3st", "-o", tmp_path / "out.wav")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"error: {path}")
        assert fault in result.stderr


def test_another_format_is_refused(invoke: Invoke, recording: Path, tmp_path: Path) -> None:
    result = invoke("edit", recording, "--set", "pitch=+3st", "-o", tmp_path / "out.mp3")
    assert result.exit_code == 2
    assert "ends in .wav" in result.stderr


def test_silence(invoke: Invoke, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(22050), 22050)
    result = invoke("edit", tmp_path / "silence.wav", "--set", "pitch=+3st", "-o", tmp_path / "out.wav")
    assert result.exit_code == 2
    assert "no frame of the recording has a pitch" in result.stderr
