"""Finding pipelines: what is not there, not audio, not trusted, not complete."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from diffusers.utils import dummy_torch_and_torchsde_objects, import_utils
from huggingface_hub import constants, errors

from generators.base import CheckpointError, RequestError
from generators.diffusers_audio import load, names_pipeline
from generators.diffusers_audio.load import load_codec, load_pipeline

ON_CPU: dict[str, Any] = {"device": "cpu", "dtype": torch.float32, "trust_remote_code": False}
COMMIT = 40 * "a"
IMAGES = {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}


def write_index(folder: Path, index: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model_index.json").write_text(index if isinstance(index, str) else json.dumps(index))
    return folder


@pytest.mark.parametrize(
    ("index", "phrase"),
    [
        ("{", "not JSON"),
        ("[]", "names no pipeline"),
        (IMAGES, "StableDiffusionPipeline makes no audio"),
        ({"_class_name": "DDPMPipeline"}, "has no vae"),
        ({"_class_name": ["pipeline", "Mine"]}, "Mine of pipeline is code that came with the model.*trust-remote-code"),
        ({"_class_name": "NobodysPipeline"}, "NobodysPipeline is code that came"),
        ({"_class_name": "StableAudioPipeline", "vae": ["my_vae", "MyVae"]}, r"MyVae \(vae\) is code"),
    ],
)
def test_indices_that_cannot_be_used(tmp_path: Path, index: Any, phrase: str) -> None:
    with pytest.raises(CheckpointError, match=phrase):
        load_pipeline(write_index(tmp_path / "model", index), **ON_CPU)


def test_a_codec_imports_nothing_that_came_with_a_model(tmp_path: Path) -> None:
    index = {"_class_name": "StableAudioPipeline", "vae": ["my_vae", "AutoencoderOobleck"]}
    with pytest.raises(CheckpointError, match=r"AutoencoderOobleck \(vae\) is code that came with the model"):
        load_codec(str(write_index(tmp_path / "model", index)))


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no default weights"):
        load_pipeline(None, **ON_CPU)
    with pytest.raises(CheckpointError, match=r"holds no model_index\.json"):
        load_pipeline(tmp_path, **ON_CPU)
    with pytest.raises(CheckpointError, match=r"no such folder.*HF_HUB_OFFLINE forbids"):
        load_pipeline("nobody/nothing", **ON_CPU)
    with pytest.raises(CheckpointError, match="no such folder, and it is no hub id"):
        load_pipeline("a/b/c", **ON_CPU)


@pytest.mark.parametrize(
    ("kind", "phrase"), [(errors.GatedRepoError, "accept the terms"), (errors.RepositoryNotFoundError, "no model")]
)
def test_answers_of_the_hub(monkeypatch: pytest.MonkeyPatch, kind: type[Exception], phrase: str) -> None:
    def refuse(*args: Any) -> None:
        raise kind("refused", response=SimpleNamespace(headers={}, request=None))  # type: ignore[call-arg]

    monkeypatch.setattr(load, "locate", refuse)
    with pytest.raises(CheckpointError, match=phrase):
        load_pipeline("owner/gated", **ON_CPU)


def test_without_a_network_the_cache_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Asked once, and not for half a minute at each of a dozen files."""
    hub_cache = tmp_path / "hub"
    for name, value in (
        ("HF_HUB_CACHE", str(hub_cache)),
        ("HF_HUB_OFFLINE", False),
        ("ENDPOINT", "http://127.0.0.1:9"),
    ):
        monkeypatch.setattr(constants, name, value)
    with pytest.raises(CheckpointError, match=r"no such folder.*the hub cannot be reached"):
        load_pipeline("owner/tiny", **ON_CPU)
    revision = hub_cache / "models--owner--tiny" / "snapshots" / COMMIT
    shutil.copytree(folder, revision)
    (hub_cache / "models--owner--tiny" / "refs").mkdir()
    (hub_cache / "models--owner--tiny" / "refs" / "main").write_text(COMMIT)
    pipeline, name = load_pipeline("owner/tiny", **ON_CPU)
    assert (type(pipeline).__name__, name) == ("StableAudioPipeline", "owner/tiny")
    assert load_codec("owner/tiny").sample_rate_hz == 800
    shutil.rmtree(revision / "text_encoder")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_pipeline("owner/tiny", **ON_CPU)
    assert capfd.readouterr() == ("", "")


def test_half_precision_needs_an_accelerator(folder: Path) -> None:
    with pytest.raises(RequestError, match="float16 is not for a CPU"):
        load_pipeline(folder, **{**ON_CPU, "dtype": torch.float16})


def test_damaged_weights(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_codec(str(copy))
    shutil.rmtree(copy / "text_encoder")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_pipeline(copy, **ON_CPU)


def test_a_missing_package_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"][1] = "CosineDPMSolverMultistepScheduler"
    copy = write_index(shutil.copytree(folder, tmp_path / "copy"), index)
    dummy = dummy_torch_and_torchsde_objects.CosineDPMSolverMultistepScheduler
    monkeypatch.setattr(diffusers, "CosineDPMSolverMultistepScheduler", dummy)
    _, advice = import_utils.BACKENDS_MAPPING["torchsde"]
    monkeypatch.setitem(import_utils.BACKENDS_MAPPING, "torchsde", (lambda: False, advice))
    with pytest.raises(CheckpointError, match=r"a package is missing.*torchsde"):
        load_pipeline(copy, **ON_CPU)


def test_names(folder: Path, tmp_path: Path) -> None:
    assert names_pipeline(str(folder))
    assert names_pipeline("stabilityai/stable-audio-open-1.0")
    assert not any(names_pipeline(name) for name in ("mini", "a/b/c", "./model", "/model", "../model", str(tmp_path)))
