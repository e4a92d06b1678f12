from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from generators.base import CheckpointError, GenerationRequest, RequestError
from generators.codecs.closed_form import ClosedFormCodec
from generators.codecs.diffrhythm_vae import DiffRhythmVae
from generators.diffrhythm import DiffRhythmGenerator, DiffRhythmTransformer
from generators.testing import GeneratorTests, Recorder

VAE_FILE = Path(__file__).parents[2] / "data/diffrhythm/vae/vae_model.pt"
CONFIG = {
    "dim": 32,
    "depth": 2,
    "heads": 4,
    "ff_mult": 2,
    "text_dim": 8,
    "cond_dim": 8,
    "conv_layers": 1,
    "text_num_embeds": 9,
    "max_frames": 64,
}


@functools.cache
def random(**changes: Any) -> DiffRhythmGenerator:
    return DiffRhythmGenerator.random({**CONFIG, **changes}, ClosedFormCodec(), seed=1)


def parts(**changes: Any) -> DiffRhythmGenerator:
    """The same without a style source of its own."""
    return DiffRhythmGenerator(random().denoiser, random().codec, **changes)


def short(**changes: Any) -> GenerationRequest:
    return GenerationRequest(**{"prompt": "", "duration_s": 0.5, "num_inference_steps": 3, **changes})


class TestDiffRhythmGenerator(GeneratorTests):
    def generator(self) -> DiffRhythmGenerator:
        return random()


class TestFullLengthModel(GeneratorTests):
    def generator(self) -> DiffRhythmGenerator:
        return random(duration_embedding=True, attention="causal")


def test_the_seed_decides_the_weights() -> None:
    again = DiffRhythmGenerator.random(CONFIG, ClosedFormCodec(), seed=1)
    other = DiffRhythmGenerator.random(CONFIG, ClosedFormCodec(), seed=2)
    assert again.weights_sha256 == random().weights_sha256 != other.weights_sha256
    assert all(parameter.any() for parameter in again.denoiser.parameters())


def test_defaults_are_the_published_ones() -> None:
    plan = random().plan(GenerationRequest(""))
    assert len(plan.times) == 32
    assert plan.sampler["guidance_scale"] == 4.0
    assert plan.frames == 64
    assert plan.branches == ("cond", "uncond")


@pytest.mark.parametrize(
    ("duration_embedding", "duration_s", "frames"),
    [
        (False, 2.0, 64),
        (False, 1.99, 42),
        (True, 2.0, 43),
        (True, 0.001, 1),
        (False, 64 / ClosedFormCodec().frame_rate_hz, 64),
    ],
)
def test_frames(duration_embedding: bool, duration_s: float, frames: int) -> None:
    generator = random(duration_embedding=duration_embedding)
    assert generator.plan(GenerationRequest("", duration_s=duration_s)).frames == frames


@pytest.mark.parametrize("changes", [{}, {"duration_embedding": True, "long_skip": True, "modulation": True}], ids=str)
def test_a_rehearsal_foresees_every_output(changes: dict[str, Any]) -> None:
    generator = random(**changes)
    names = [name for name, _ in generator.denoiser.named_modules() if name]
    recorder = Recorder(*names)
    generator.generate(short(), [recorder])
    shapes = {point.name: value.shape for point, value in recorder.seen}
    foreseen = generator.rehearse(generator.plan(short()).frames)
    assert {name: foreseen[name].shape for name in shapes} == shapes
    assert len(shapes) > 30
    assert {output.device.type for output in foreseen.values()} == {"meta"}


def test_notes_say_what_is_not_real() -> None:
    style, length = random().generate(short()).notes
    assert "prompt's hash" in style
    assert "10 are not what it knows" in length


def test_prompts_and_tokens_reach_the_audio() -> None:
    generator = random()
    outputs = [
        generator.generate(short(**changes)).latents
        for changes in ({}, {"prompt": "other"}, {"options": {"text_tokens": [1, 2, 3]}}, {"options": {"sway": -1.0}})
    ]
    assert all(not torch.equal(outputs[0], output) for output in outputs[1:])
    tokens = short(options={"text_tokens": [0] * 10})
    assert torch.equal(outputs[0], generator.generate(tokens).latents)


def test_style_embeddings_from_files(tmp_path: Path) -> None:
    save_file({"style": torch.ones(1, 8)}, tmp_path / "a.safetensors")
    save_file({"negative_style": -torch.ones(8)}, tmp_path / "b.safetensors")
    options = {"style_embedding": str(tmp_path / "a.safetensors"), "negative_style": str(tmp_path / "b.safetensors")}
    generator, recorder = parts(), Recorder("velocity")
    generation = generator.generate(short(options=options), [recorder])
    (length,) = generation.notes
    assert "are not what it knows" in length
    assert not torch.equal(recorder.at("velocity", 0, "cond"), recorder.at("velocity", 0, "uncond"))
    renamed = generator.generate(short(prompt="x", options=options))
    assert torch.equal(renamed.latents, generation.latents), "the prompt must not matter beside an embedding"


def test_styles_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="style-embedding"):
        parts().plan(short())
    save_file({"style": torch.ones(1, 8)}, tmp_path / "a.safetensors")
    options = {"style_embedding": str(tmp_path / "a.safetensors")}
    with pytest.raises(RequestError, match="negative_style"):
        parts().plan(short(options=options))
    assert parts().plan(short(options=options, guidance_scale=0)).branches == ("cond",)
    assert parts(negative_style=torch.ones(8)).plan(short(options=options)).branches == ("cond", "uncond")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"style_embedding": "nowhere.safetensors"}}, "nowhere.safetensors: missing"),
        ({"options": {"text_tokens": [1] * 11}}, "11 tokens; the song has 10 frames"),
        ({"options": {"text_tokens": [1, 10]}}, "ids are 0 to 9"),
        ({"options": {"text_tokens": [-1]}}, "ids are 0 to 9"),
        ({"options": {"text_tokens": "abc"}}, "not a list of whole numbers"),
        ({"options": {"text_tokens": [1.5]}}, "not a list of whole numbers"),
        ({"options": {"sway": "much"}}, "give a number"),
        ({"options": {"sway": float("nan")}}, "give a number"),
        ({"options": {"sway": -9.0}}, "backwards"),
    ],
    ids=str,
)
def test_bad_requests(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as error:
        random().plan(short(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"other": torch.ones(8)}, "no tensor 'style'; it has other"),
        ({"style": torch.ones(9)}, "give 8 finite numbers"),
        ({"style": torch.full((8,), torch.nan)}, "give 8 finite numbers"),
    ],
)
def test_bad_style_files(tmp_path: Path, tensors: dict[str, torch.Tensor], message: str) -> None:
    save_file(tensors, tmp_path / "style.safetensors")
    with pytest.raises(RequestError, match=message):
        random().plan(short(options={"style_embedding": str(tmp_path / "style.safetensors")}))


def test_parts_have_to_fit() -> None:
    with pytest.raises(ValueError, match="makes 64 latent channels, codec 'closed-form' reads 16"):
        DiffRhythmGenerator(DiffRhythmTransformer(**CONFIG), ClosedFormCodec())
    with pytest.raises(ValueError, match="style_source"):
        parts(style_source="guess")


def test_no_default_weights() -> None:
    with pytest.raises(CheckpointError, match="no DiffRhythm weights"):
        DiffRhythmGenerator.from_pretrained()


def saved(folder: Path) -> Path:
    random().save_pretrained(folder)
    return folder


def test_bad_folders(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a")
    (folder / "negative_style.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"negative_style\.safetensors"):
        DiffRhythmGenerator.from_pretrained(folder)
    folder = saved(tmp_path / "b")
    (folder / "transformer/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no weights"):
        DiffRhythmGenerator.from_pretrained(folder)
    folder = saved(tmp_path / "c")
    (folder / "generator.json").write_text(json.dumps({"generator": "diffrhythm", "config": {"codec": "tape"}}))
    with pytest.raises(CheckpointError, match="unknown codec 'tape'"):
        DiffRhythmGenerator.from_pretrained(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights(tmp_path: Path, dtype: torch.dtype) -> None:
    generator = DiffRhythmGenerator.from_pretrained(saved(tmp_path), dtype=dtype)
    assert generator.denoiser.dtype == dtype
    half, exact = generator.generate(short()).latents, random().generate(short()).latents
    assert half.dtype == torch.float32
    assert (half - exact).norm() <= 0.05 * exact.norm()


def test_an_unregistered_codec_cannot_be_saved(tmp_path: Path) -> None:
    codec = ClosedFormCodec()
    codec.id = "mine"
    with pytest.raises(ValueError, match="codec 'mine' is neither registered nor a DiffRhythmVae"):
        DiffRhythmGenerator(random().denoiser, codec).save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


def test_its_own_autoencoder_is_saved_with_it(tmp_path: Path) -> None:
    codec = DiffRhythmVae.from_pretrained(VAE_FILE)
    generator = DiffRhythmGenerator.random(CONFIG, codec, seed=1)
    generator.save_pretrained(tmp_path)
    loaded = DiffRhythmGenerator.from_pretrained(tmp_path)
    assert loaded.codec.weights_sha256 == codec.weights_sha256
    assert (loaded.generate(short()).audio == generator.generate(short()).audio).all()
    (tmp_path / "codec/config.json").unlink()
    with pytest.raises(CheckpointError, match=r"codec/config\.json: missing"):
        DiffRhythmGenerator.from_pretrained(tmp_path)
