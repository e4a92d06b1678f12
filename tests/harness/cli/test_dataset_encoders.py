"""Hidden layers of an encoder on the command line."""

from __future__ import annotations

import json

import pytest
import soundfile

from tests.generators.encoders.tiny import MAKERS
from tests.harness.datasets.audio_files import tone

RATE_HZ = 16000


@pytest.fixture
def hubert(tmp_path):
    return MAKERS["hubert"](tmp_path / "hubert")


@pytest.fixture
def corpus(tmp_path):
    """Thirty short tones in three folders."""
    for index in range(30):
        folder = tmp_path / "corpus" / ("low", "middle", "high")[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{index}.wav", tone(200 + 10 * index, 2000, RATE_HZ), RATE_HZ)
    return tmp_path / "corpus"


def test_on_the_command_line(invoke, hubert, corpus, tmp_path):
    out = tmp_path / "set.h5"
    args = ["dataset", "build", corpus, "--encoder", hubert, "--workers", "1", "--properties", "loudness", "--out", out]
    result = invoke(*args, "--layers", "0,2", "--pool", "mean", "--labels", "folders", "--json")
    assert result.exit_code == 0, result.stderr
    datasets = json.loads(result.stdout)["datasets"]
    assert [data["source"]["hook_point"] for data in datasets] == ["layers.0", "layers.2"]
    assert datasets[0]["classes"] == {"class": ["high", "low", "middle"]}
    assert sum(datasets[0]["rows"].values()) == 30
    for extra, words in (
        (["--layers", "7"], "no layer 7"),
        (["--layers", "a"], "not a whole number"),
        ([], "say which layers"),
        (["--layers", "1", "--labels", "missing.csv"], "missing.csv cannot be read: No such file"),
        (["--layers", "1", "--codec", "encodec"], "take the place of a codec"),
        (["--layers", "1", "--rendered", "4"], "does not go with"),
    ):
        result = invoke(*args, *extra)
        assert result.exit_code in (1, 2)
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1
    result = invoke("dataset", "build", corpus, "--layers", "1", "--out", out)
    assert "are for --encoder" in result.stderr
