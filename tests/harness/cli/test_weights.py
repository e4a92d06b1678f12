"""``harness generate`` with weights in their published form."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from huggingface_hub import constants

from tests.generators.diffrhythm import published_files


@pytest.fixture
def sing(invoke, tmp_path):
    """Run ``harness generate --generator diffrhythm`` on a small network of 32 frames, into ``tmp_path/run``."""
    weights = published_files.write(tmp_path / "DiffRhythm-base")
    np.save(tmp_path / "style.npy", np.ones(published_files.COND_DIM, np.float32))

    def run(*args):
        small = ("--steps", "2", "--load", "max_frames=32", "--out", tmp_path / "run")
        return invoke("generate", "--generator", "diffrhythm", "--weights", weights, "--prompt", "pop", *small, *args)

    return run


def test_weights_styles_and_licences(sing, tmp_path):
    result = sing("--style-embedding", tmp_path / "style.npy", "--json")
    assert result.exit_code == 0, result.stderr
    assert "Stability AI Community License" in result.stderr
    (made,) = json.loads(result.stdout)["runs"]
    assert made["generator"] == str(tmp_path / "DiffRhythm-base")
    recorded = json.loads((tmp_path / "run/request.json").read_text())
    assert recorded["generator"]["licences"]["ASLP-lab/DiffRhythm-base"] == "Apache-2.0"
    assert recorded["request"]["options"]["style_embedding"] == str(tmp_path / "style.npy")


@pytest.mark.parametrize(
    ("args", "exit_code", "phrase"),
    [
        ((), 2, "'muq' is not installed"),
        (("--load", "attention=sideways"), 1, "neither 'bidirectional' nor 'causal'"),
        (("--load", "speed=2"), 2, "no setting 'speed'"),
        (("--load", "style_python=/no/such"), 2, "cannot be started"),
        (("--weights", "/no/such"), 2, "does not exist"),
    ],
)
def test_one_line_for_what_cannot_be_used(sing, tmp_path, args, exit_code, phrase):
    result = sing(*args)
    assert result.exit_code == exit_code
    assert phrase in result.stderr
    assert result.stderr.count("\n") == 1 or "Usage" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_replay_loads_the_same_folder_in_the_same_way(sing, invoke, tmp_path):
    style = ("--style-embedding", tmp_path / "style.npy")
    assert sing(*style, "--trace", "--load", "attention=causal").exit_code == 0
    recorded = json.loads((tmp_path / "run/request.json").read_text())
    assert recorded["generator"]["load"] == {"max_frames": 32, "attention": "causal"}
    again = invoke("replay", tmp_path / "run")
    assert ": bit-identical" in again.output
    otherwise = invoke("replay", tmp_path / "run", "--load", "attention=sideways")
    assert "neither 'bidirectional' nor 'causal'" in otherwise.stderr


def test_a_trace_names_no_program_to_run(sing, invoke, tmp_path):
    program = f"style_python={sys.executable}"
    made = sing("--style-embedding", tmp_path / "style.npy", "--trace", "--load", program)
    assert made.exit_code == 0, made.stderr
    refused = invoke("replay", tmp_path / "run")
    assert refused.exit_code == 2
    assert f"give --load {program} again" in refused.stderr
    assert ": bit-identical" in invoke("replay", tmp_path / "run", "--load", program).output


def test_nothing_fetched(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    result = invoke("generate", "--generator", "diffrhythm", "--prompt", "pop", "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "run 'harness models fetch ASLP-lab/DiffRhythm-1_2'" in result.stderr
