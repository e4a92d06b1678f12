"""``harness models`` on an empty cache and on one with a model in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

VAE = "ASLP-lab/DiffRhythm-vae"


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folder in place of this machine's cache; no network."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


def put(hub_cache: Path) -> Path:
    """Place the autoencoder's file where the hub's client would."""
    repository = hub_cache / "models--ASLP-lab--DiffRhythm-vae"
    (repository / "snapshots/abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    (repository / "snapshots/abc/vae_model.pt").write_bytes(b"x")
    return repository / "snapshots/abc"


def test_list_says_what_is_here(invoke, hub_cache):
    put(hub_cache)
    models = json.loads(invoke("models", "list", "--json").stdout)["models"]
    assert {name for name, model in models.items() if model["state"] == "here"} == {VAE}
    assert all(model["licence"] and model["size_bytes"] for model in models.values())
    assert f"{VAE}  " in invoke("models", "list").stdout


def test_info(invoke, hub_cache):
    folder = put(hub_cache)
    document = json.loads(invoke("models", "info", "DiffRhythm-vae", "--json").stdout)
    assert document["name"] == VAE
    assert document["files"] == {"vae_model.pt": [str(folder / "vae_model.pt")]}
    assert not document["open_source"]
    shown = invoke("models", "info", "DiffRhythm-base").stdout
    assert "attention  causal" in shown
    assert "cfm_model.pt: not here" in shown


def test_licences_say_which_are_not_open_source(invoke):
    shown = invoke("models", "licences").stdout
    assert shown.count("NOT open source") == 2
    document = json.loads(invoke("models", "licences", "--json").stdout)
    assert set(document["models"].values()) <= set(document["licences"])


def test_fetch_shows_the_licences_and_wants_them_accepted(invoke):
    result = invoke("models", "fetch", "DiffRhythm-1_2")
    assert result.exit_code == 2
    assert "Stability AI" in result.stdout
    assert "--accept-licences" in result.stderr
    result = invoke("models", "fetch", "DiffRhythm-1_2", "--accept-licences")
    assert result.exit_code == 1
    assert "HF_HUB_OFFLINE forbids" in result.stderr


def test_fetch_of_what_is_here(invoke, hub_cache):
    folder = put(hub_cache)
    result = invoke("models", "fetch", "DiffRhythm-vae", "--offline")
    assert result.exit_code == 0
    assert "was here already" in result.stdout
    assert json.loads(invoke("models", "fetch", VAE, "--json").stdout) == {"folders": {VAE: str(folder)}}
    assert invoke("models", "fetch", "DiffRhythm-1_2", "--offline").exit_code == 1


def test_unknown_model(invoke):
    result = invoke("models", "info", "ASLP-lab/DiffRhythm-1_3")
    assert result.exit_code == 2
    assert "did you mean" in result.stderr


def test_kinds_of_pipelines_are_listed(invoke):
    document = json.loads(invoke("models", "list", "--json").stdout)
    assert document["pipelines"]["LongCatAudioDiTPipeline"]["codec"] == "LongCat VAE"
    assert "branches in two calls" in document["pipelines"]["LongCatAudioDiTPipeline"]["exposes"]
    assert document["other_pipelines"] == ["x_t", "guided velocity", "guided x1_hat"]
    assert "any other with such a codec" in invoke("models", "list").stdout
