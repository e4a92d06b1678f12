"""Features of a hidden layer of ``mini``, from recorded hidden states to steering: the way the documentation goes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness import open_trace

LAYER = "transformer_blocks.2"
CLIP = ("--steps", "3", "--duration", "0.8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture
def hidden_sae(invoke, folder):
    """An SAE of one layer, hardly trained, on the hidden states of three short runs."""
    if not (folder / "sae").is_dir():
        prompts = [part for note in ("A4", "C5", "F#4") for part in ("--prompt", f"flute {note}")]
        steps = (
            ("generate", *prompts, *CLIP, "--hidden", LAYER, "--out", folder / "runs"),
            ("dataset", "build", folder / "runs", "--from-traces", "--hook-point", LAYER, "--times", "0,1",
             "--properties", "loudness", "--workers", "1", "--out", folder / "layer.h5"),
            ("train-sae", folder / "layer.h5", "--width", "16", "--k", "4", "--steps", "5", "--batch-size", "32",
             "--clips", "0", "--out", folder / "sae"),
        )  # fmt: skip
        for step in steps:
            done = invoke(*step)
            assert done.exit_code == 0, done.stderr
    return folder / "sae"


def test_features_of_a_layer_of_mini_are_steered(invoke, hidden_sae, folder, tmp_path):
    acting = ("--steer", f"feature:1=9@at:{LAYER}", "--hidden-sae", hidden_sae)
    common = ("generate", "--prompt", "flute A4", *CLIP, "--trace", "--out", tmp_path / "run")
    steered = invoke(*common, *acting)
    assert steered.exit_code == 0, steered.stderr
    with open_trace(tmp_path / "run" / "trace.h5") as trace, open_trace(folder / "runs" / "000" / "trace.h5") as plain:
        assert (trace.relative_norms[:] > 0).all()
        assert not np.allclose(trace.x_t[3], plain.x_t[3], atol=1e-2)
    again = invoke("replay", tmp_path / "run", "--hidden-sae", hidden_sae, "--json")
    assert json.loads(again.stdout)["identical"]


@pytest.mark.parametrize(
    ("spec", "phrase"),
    [
        (f"feature:16*2@at:{LAYER}", "no feature 16; the topk SAE of 16 features has 0 to 15"),
        ("feature:1*2@at:transformer_blocks.3", f"reads {LAYER}, but nothing acts there"),
        ("feature:1*2", f"reads {LAYER}, but nothing acts there"),
    ],
)
def test_what_the_sae_does_not_fit_is_refused(invoke, hidden_sae, tmp_path, spec, phrase):
    result = invoke(
        "generate", "--prompt", "flute A4", *CLIP, "--steer", spec, "--hidden-sae", hidden_sae, "--out", tmp_path / "x"
    )
    assert result.exit_code == 2
    assert phrase in result.stderr
    assert not (tmp_path / "x").exists()
