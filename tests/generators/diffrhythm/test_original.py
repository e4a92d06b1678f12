"""Folders in the published form: what is loaded from where, and what the path of a folder tells."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generators.base import CheckpointError, GenerationRequest
from generators.diffrhythm import DiffRhythmGenerator
from generators.published import PUBLISHED, named_in, used_with
from tests.generators.diffrhythm.published_files import COND_DIM, VAE_FILE, state, write

load = DiffRhythmGenerator.from_pretrained


def request(tmp_path: Path) -> GenerationRequest:
    save_file({"style": torch.ones(1, COND_DIM)}, tmp_path / "style.safetensors")
    return GenerationRequest(
        "",
        duration_s=0.5,
        num_inference_steps=2,
        options={"style_embedding": str(tmp_path / "style.safetensors")},
    )


def test_a_folder_as_published_generates(tmp_path: Path) -> None:
    generator = load(write(tmp_path / "w"), max_frames=64)
    assert generator.denoiser.dtype == torch.float32
    assert generator.negative_style is not None
    generation = generator.generate(request(tmp_path))
    assert generation.audio.shape == (2, 10 * 2048)
    assert "nothing tells which version" in generation.notes[0]
    sampler = generator.plan(request(tmp_path)).sampler
    assert sampler["attention"] == "bidirectional"
    assert sampler["licences"]["ASLP-lab/DiffRhythm-vae"].startswith("Stability AI")


def test_windows_are_said(tmp_path: Path) -> None:
    generator = load(write(tmp_path / "w"), attention="causal", max_frames=130)
    save_file({"style": torch.ones(1, COND_DIM)}, tmp_path / "style.safetensors")
    options = {"style_embedding": str(tmp_path / "style.safetensors")}
    (note,) = generator.generate(GenerationRequest("", num_inference_steps=2, options=options)).notes
    assert note.startswith("decoded in 2 windows of 128 frames")


@pytest.mark.parametrize(
    ("folder", "attention", "max_frames"),
    [
        ("DiffRhythm-base", "causal", 2048),
        ("DiffRhythm-full", "causal", 6144),
        ("models--ASLP-lab--DiffRhythm-base/snapshots/abc", "causal", 2048),
        ("DiffRhythm-1_2", "bidirectional", 2048),
    ],
)
def test_the_path_tells_the_version(tmp_path: Path, folder: str, attention: str, max_frames: int) -> None:
    generator = load(write(tmp_path / folder))
    assert generator.denoiser.config["attention"] == attention
    assert generator.denoiser.config["max_frames"] == max_frames
    assert generator.remarks == ()


def test_weights_that_run_as_what_they_are_not(tmp_path: Path) -> None:
    generator = load(write(tmp_path / "DiffRhythm-base"), attention="bidirectional")
    assert generator.denoiser.config["attention"] == "bidirectional"
    (remark,) = generator.remarks
    assert "ASLP-lab/DiffRhythm-base was trained with causal attention" in remark
    assert load(write(tmp_path / "w"), attention="causal").remarks == ()


def test_a_full_length_v1_2_model_needs_its_duration_embedding(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing: duration_time_embed"):
        load(write(tmp_path / "DiffRhythm-1_2-full"))
    generator = load(write(tmp_path / "DiffRhythm-1_2-full", tensors=state(duration_embedding=True)))
    assert generator.denoiser.config["max_frames"] == 6144


def test_the_autoencoder_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = write(tmp_path / "w", vae=False)
    with pytest.raises(CheckpointError, match=r"holds no autoencoder; looked for vae_model\.pt"):
        load(folder)
    assert load(folder, vae=VAE_FILE).codec.id == load(folder, vae=VAE_FILE.parent).codec.id == "diffrhythm-vae"
    with pytest.raises(CheckpointError, match=r"nowhere\.pt: missing"):
        load(folder, vae=tmp_path / "nowhere.pt")
    (folder / "DiffRhythm-vae").mkdir()
    shutil.copy(VAE_FILE, folder / "DiffRhythm-vae")
    assert load(folder).codec.latent_channels == 2


def test_files_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no DiffRhythm weights; looked for .*cfm_model\.pt"):
        load(tmp_path)
    folder = write(tmp_path / "a", tensors={"encoder.weight": torch.ones(2)})
    with pytest.raises(CheckpointError, match="not a DiffRhythm checkpoint"):
        load(folder)
    folder = write(tmp_path / "b", vae=False)
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.script(torch.nn.Linear(2, 2)).save(folder / "vae_model.pt")
    with pytest.raises(CheckpointError, match=r"vae_model\.pt: holds no Oobleck autoencoder"):
        load(folder)
    folder = write(tmp_path / "c")
    (folder / "cfm_model.pt").write_bytes((folder / "cfm_model.pt").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="truncated or something else, fetch it again"):
        load(folder)
    folder = write(tmp_path / "d")
    (folder / "vocal.npy").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"vocal\.npy: missing, or no array"):
        load(folder)


def test_faulty_tensors_are_named(tmp_path: Path) -> None:
    faulty = dict(state())
    del faulty["transformer.proj_out.bias"]
    faulty["transformer.extra"] = torch.ones(1)
    faulty["transformer.norm_out.linear.bias"] = torch.ones(3)
    with pytest.raises(CheckpointError) as error:
        load(write(tmp_path / "w", tensors=faulty))
    for phrase in ("missing: proj_out.bias", "unknown: extra", "norm_out.linear.bias [3] instead of [128]"):
        assert phrase in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"max_frames": "many"}, "give 2048"), ({"attention": "sideways"}, "neither 'bidirectional' nor 'causal'")],
)
def test_bad_settings(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(write(tmp_path / "w"), **settings)


def test_what_was_saved_states_its_own_settings_and_licences(tmp_path: Path) -> None:
    generator = load(write(tmp_path / "DiffRhythm-base"))
    generator.save_pretrained(tmp_path / "own")
    again = load(tmp_path / "own")
    assert again.licences == generator.licences
    assert again.denoiser.config["attention"] == "causal"
    assert again.weights_sha256 == generator.weights_sha256
    with pytest.raises(CheckpointError, match="states its own attention"):
        load(tmp_path / "own", attention="bidirectional")


def test_the_table_of_published_models() -> None:
    assert used_with("ASLP-lab/DiffRhythm-base")[1] == "ASLP-lab/DiffRhythm-vae"
    assert named_in(("models--ASLP-lab--DiffRhythm-1_2-full",)) == "ASLP-lab/DiffRhythm-1_2-full"
    assert named_in(("home", "weights")) is None
    for entry in PUBLISHED.values():
        assert {*entry.parts.values(), *entry.companions} <= set(PUBLISHED)
