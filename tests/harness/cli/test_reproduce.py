from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile


@pytest.fixture
def audio(tmp_path):
    folder = tmp_path / "audio"
    folder.mkdir()
    soundfile.write(folder / "a.wav", 0.1 * np.sin(np.arange(22050) / 10), 22050)
    return folder


def test_a_dry_run_writes_nothing(invoke, audio, tmp_path):
    out = tmp_path / "study"
    args = ["reproduce", "paek2025", "--codec", "closed-form", "--audio", audio, "--small", "--dry-run", "--out", out]
    result = invoke(*args, "--json")
    assert result.exit_code == 0, result.stderr
    estimate = json.loads(result.stdout)["estimate"]
    assert estimate["audio_s"] == pytest.approx(1)
    assert estimate["size_bytes"] > 0
    assert "of audio, about" in result.stderr
    assert not out.exists()


def test_a_folder_that_holds_something_else_is_refused_at_once(invoke, audio):
    result = invoke("reproduce", "paek2025", "--codec", "closed-form", "--audio", audio, "--small", "--out", audio)
    assert result.exit_code == 1
    assert result.stderr == f"error: {audio} is not empty and holds no study; give another folder\n"
    assert [path.name for path in audio.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["paek2025"], "nothing to study"),
        (["paek2025", "--audio", "missing"], "missing does not exist"),
        (["paek2025", "--codec", "nimi", "--rendered", "2"], "unknown codec 'nimi'"),
        (["paek2025", "--captions", "x.csv"], "give --generator too"),
        (["paek2025", "--device", "gpu"], "unknown device"),
        (["mariotte2025"], "VocalSet's folder"),
        (["mariotte2025", "--audio", "missing"], "missing does not exist"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_one_line(invoke, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    result = invoke("reproduce", *args, "--out", "study")
    assert result.exit_code in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []
