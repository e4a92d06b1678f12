"""From audio files to SAEs and probes, as a user does it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

RATE_HZ = 22050


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 short tones."""
    out = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    for index in range(30):
        frequency_hz, time_s = 220 * 2 ** rng.uniform(0, 1), np.arange(8 * 1024) / RATE_HZ
        level = np.repeat(10 ** rng.uniform(-1.5, -0.3, 8), 1024)
        soundfile.write(out / f"{index}.wav", level * np.sin(2 * np.pi * frequency_hz * time_s), RATE_HZ)
    return out


def build(invoke, folder, out, *args):
    return invoke("dataset", "build", folder, "--codec", "closed-form", "--workers", "1", "--out", out, *args)


def test_from_audio_to_probes(invoke, folder, tmp_path):
    (folder / "broken.wav").write_text("no audio")
    data, sae, probes = tmp_path / "set.h5", tmp_path / "sae", tmp_path / "probes"
    result = build(invoke, folder, data, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert sum(document["files"].values()) == 30
    assert [entry["reason"] for entry in document["skipped"]] == ["it cannot be read as audio: Format not recognised."]
    assert "1 inputs left out" in result.stderr

    train = ["train-sae", data, "--width", "32", "--k", "4", "--steps", "20", "--batch-size", "64"]
    result = invoke(*train, "--out", sae, "--json")
    assert result.exit_code == 0, result.stderr
    (trained,) = json.loads(result.stdout)["saes"]
    assert trained["held_out"]["l0"] <= 4
    assert "fvu" in result.stderr

    few = ["--width", "64", "--steps", "1", "--clips", "0", "--out", tmp_path / "k", "--json"]
    result = invoke("train-sae", data, *few, "--supervise", "loudness=8")
    document = json.loads(result.stdout)
    assert document["saes"][0]["config"]["k"] == 32
    assert document["supervision"] == {"loudness": 8.0}

    result = invoke("train-probes", data, "--properties", "smell", "--out", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: unknown property 'smell'. Known: ")
    result = invoke("train-probes", data, "--sae", sae, "--properties", "loudness", "--out", probes, "--json")
    assert result.exit_code == 0, result.stderr
    (probe,) = json.loads(result.stdout)["probes"]
    assert {"probe", "majority", "shuffled", "best_1", "raw", "random_dictionary"} <= set(probe["controls"])
    assert "random dictionary" in result.stderr
    assert (probes / "loudness.safetensors").is_file()

    result = invoke(*train, "--out", tmp_path / "grid", "--grid", "arch=topk,random", "--grid", "k=2,4")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "grid").iterdir() if path.is_dir()) == [
        "random-32-k2", "random-32-k4", "topk-32-k2", "topk-32-k4",
    ]  # fmt: skip

    for name in ("sparsify", "dictionary_learning"):
        foreign, ours = tmp_path / name, tmp_path / f"{name}-back"
        assert invoke("sae", "export", sae, "--format", name, "--out", foreign).exit_code == 0
        result = invoke("sae", "import", foreign, "--format", name, "--dataset", data, "--out", ours, "--json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["config"]["d_sae"] == 32
        assert (ours / "cfg.json").is_file()


def test_too_few_files_are_named_as_the_fault(invoke, folder, tmp_path):
    data = tmp_path / "set.h5"
    built = build(invoke, folder / "0.wav", data)
    assert built.exit_code == 0
    assert "note: no file fell to" in built.stdout
    result = invoke("train-probes", data, "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "files (1 files in all); add files" in result.stderr


def test_strict_names_the_file(invoke, folder, tmp_path):
    (folder / "broken.wav").write_text("no audio")
    result = build(invoke, folder, tmp_path / "set.h5", "--strict")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "broken.wav" in result.stderr
    assert "--strict" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["dataset", "build", "--out", "x.h5"], "nothing to build from"),
        (["dataset", "build", "missing", "--out", "x.h5"], "missing does not exist"),
        (["dataset", "build", ".", "--out", "x.h5"], "holds no audio file"),
        (["dataset", "build", ".", "--codec", "nimi", "--out", "x.h5"], "unknown codec 'nimi'; did you mean 'mini'?"),
        (["dataset", "build", ".", "--properties", "pich", "--out", "x.h5"], "did you mean 'pitch'?"),
        (["dataset", "build", ".", "--properties", ",", "--out", "x.h5"], "at least one name"),
        (["dataset", "build", ".", "--from-traces", "--out", "x.h5"], "holds no trace.h5"),
        (["dataset", "build", ".", "--from-traces", "--times", "0,2", "--out", "x.h5"], "2"),
        (["dataset", "build", ".", "--from-traces", "--rendered", "4", "--out", "x.h5"], "--rendered"),
        (["train-sae", "missing.h5", "--out", "x"], "missing.h5 is not a file"),
        (["train-sae", "missing.h5", "--grid", "z=1", "--out", "x"], "not of the form KEY=V,V"),
        (["train-sae", "missing.h5", "--grid", "k=a", "--out", "x"], "are no values of k"),
        (["train-sae", "missing.h5", "--supervise", "loudness", "--out", "x"], "not of the form key=value"),
        (["train-sae", "missing.h5", "--supervise", "loudness=0", "--out", "x"], "not in the range x>0"),
        (["train-sae", "missing.h5", "--supervise", "loudness=[1]", "--out", "x"], "not a valid float"),
        (["train-sae", "missing.h5", "--device", "gpu", "--out", "x"], "unknown device 'gpu'"),
        (["train-probes", "missing.h5", "--out", "x"], "missing.h5 is not a file"),
        (["train-probes", "missing.h5", "--sae", ".", "--out", "x"], "is no SAE folder"),
        (["train-probes", "missing.h5", "--noise-at", "nan", "--out", "x"], "not a finite number"),
        (["sae", "export", "missing", "--format", "sparsify", "--out", "x"], "is no SAE folder"),
        (["sae", "import", "missing", "--format", "sparsify", "--out", "x"], "is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_one_line(invoke, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    result = invoke(*args)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert "--debug" not in result.stderr, "an error that was not expected"
    assert list(tmp_path.iterdir()) == []
