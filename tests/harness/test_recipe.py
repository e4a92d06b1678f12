from __future__ import annotations

import hashlib
import shutil
import sys

import pytest
import torch

from analysis.moves.fit import MovesConfig
from analysis.moves.storage import load_moves
from analysis.probes import FitConfig, load_probe
from analysis.sae.learner import TrainConfig
from generators.mini.codec import MiniCodec
from harness import recipe, shipped
from harness.fitting.moves import EditPlan
from harness.fitting.saes import load_sae


def row(**changed):
    accuracy = {"value": 0.5, "low": 0.4, "high": 0.6, "majority": 0.1}
    named = {f"{name}{part}": accuracy for name in recipe.PROPERTIES for part in ("", "_combinations")}
    figures = {"architecture": "topk", "d_sae": 64, "l0": 8.0, "fvu": 0.05, "fvu_combinations": 0.06, "dead": 0.01}
    return {**figures, **named, "amplitude": accuracy, **changed}


def test_the_best_read_of_what_may_ship_is_chosen():
    better = {"value": 0.9}
    rows = [
        row(folder="plain"),
        row(folder="best", pitch={"value": 0.6}),
        row(folder="dead", pitch=better, dead=0.06),
        row(folder="vague", pitch=better, fvu=0.11),
        row(folder="large", pitch=better, d_sae=4096),
    ]
    assert recipe.choose(rows)["folder"] == "best"


def test_the_table_says_both_figures_and_the_majority():
    lines = recipe.as_markdown([row(), row(architecture="random", fvu=0.5)]).splitlines()
    assert (
        lines[2] == "| topk 64 | 8.0 | 0.050 / 0.060 | 1.0% | 0.500 / 0.500 | 0.500 / 0.500 | 0.500 / 0.500 | 0.500 |"
    )
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[-1] == "Always the most frequent class: pitch 0.100, loudness 0.100, timbre 0.100, amplitude 0.100."


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs the program fluidsynth")
def test_the_whole_recipe_at_tiny_size(tmp_path, monkeypatch, capsys):
    tiny = {
        "HOME": tmp_path / "shipped" / "mini",
        "CLIPS": 64,
        "HELD_OUT_CLIPS": 8,
        "TRAJECTORIES": 24,
        "GRID": ((64, 4), (128, 4)),
        "PLAN": TrainConfig(steps=30, batch_size=256),
        "CONTROL_PLAN": TrainConfig(steps=5),
        "MOVES": MovesConfig(factors=2, rounds=2, least_frames=1, least_cells=1, steps=5),
        "EDITS": EditPlan(stretches=2, frames=8),
        "FIT": FitConfig(max_iterations=5),
        "TIMES": (0.0, 1.0),
        "MOST_DEAD": 1.0,
        "MOST_FVU": 9.0,
    }
    for name, value in tiny.items():
        monkeypatch.setattr(recipe, name, value)
    monkeypatch.setattr(shipped, "HOME", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(sys, "argv", ["recipe", "--work", str(tmp_path / "work"), "--workers", "1"])
    recipe.main()
    assert capsys.readouterr().out.count("| topk") == 2

    codec = MiniCodec.from_pretrained()
    identity = codec.id, codec.weights_sha256
    sae = load_sae(shipped.find_sae(*identity))
    control = load_sae(shipped.find_sae(*identity, control=True))
    assert (control.config.architecture, control.config.d_sae) == ("random", sae.config.d_sae)
    for point, times in (("latents", (1.0,)), ("x_t", (0.0, 1.0)), ("x1_hat", (0.0, 1.0))):
        probes = {name: load_probe(path) for name, path in shipped.find_probes(*identity, point).items()}
        assert set(probes) == set(recipe.PROPERTIES)
        for probe in probes.values():
            assert (probe.info.source.hook_point, probe.info.times) == (point, times)
            assert (probe.info.encoder_sha256 == sae.sha256) == (point == "latents")
    moves = load_moves(shipped.find_moves(*identity))
    assert (moves.source.to_json(), moves.classed) == (sae.source.to_json(), "pitch")
    assert moves.read(torch.zeros(2, codec.latent_channels)).isfinite().all()
    for weights in tmp_path.glob("shipped/**/*.safetensors"):
        assert hashlib.sha256(weights.read_bytes()).hexdigest() in (weights.parent / "SHA256SUMS").read_text()
