from __future__ import annotations

import json


def test_json_document(generate, invoke, tmp_path):
    assert generate("--prompt", "C4", "--trace", "--steps", "4").exit_code == 0
    result = invoke("inspect", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["complete"] is True
    assert document["format_version"] == "1.0"
    assert document["steps"] == 4
    assert document["t"] == [0, 0.25, 0.5, 0.75, 1]
    assert document["hook_points"]["x_t"] == {"shape": [5, 5, 16], "dtype": "float32"}
    assert document["request"]["prompt"] == "C4"
    assert document["audio"]["sample_rate_hz"] == 22050
    assert document["metadata"]["versions"]["torch"]


def test_words_for_people(generate, invoke, tmp_path):
    assert generate("--prompt", "C4", "--trace", "--steps", "4").exit_code == 0
    result = invoke("inspect", tmp_path / "run" / "trace.h5")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "complete" in result.stdout
    assert "4 of 4" in result.stdout
    assert "velocity" in result.stdout
