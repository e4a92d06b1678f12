from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from generators.base import CheckpointError
from generators.diffrhythm import DiffRhythmTransformer, load_transformer
from tests.generators.diffrhythm.published_files import VAE_FILE
from tests.generators.diffrhythm.test_transformer import build, settings

State = dict[str, Tensor]
PUBLISHED = {"heads": 32, "dim": 64}
"""Checkpoints in the published form always have 32 heads."""


def published(**changes: Any) -> tuple[DiffRhythmTransformer, State]:
    """A network and its tensors under the names of the original files."""
    transformer = build(**{**PUBLISHED, **changes})
    return transformer, {f"transformer.{name}": tensor for name, tensor in transformer.state_dict().items()}


def write(file: Path, state: State) -> Path:
    torch.save({"model_state_dict": state}, file)
    return file


def assert_equal_weights(loaded: DiffRhythmTransformer, expected: DiffRhythmTransformer) -> None:
    actual, wanted = loaded.state_dict(), expected.state_dict()
    assert actual.keys() == wanted.keys()
    assert all(torch.equal(actual[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize(
    "changes",
    [{}, {"long_skip": True}, {"conv_layers": 0}, {"depth": 3}, {"ff_mult": 1}, {"text_dim": 32, "cond_dim": 32}],
    ids=str,
)
def test_settings_come_from_shapes(tmp_path: Path, changes: dict[str, Any]) -> None:
    transformer, state = published(**changes)
    loaded = load_transformer(write(tmp_path / "cfm_model.pt", state), max_frames=12)
    assert settings(loaded) == settings(transformer)
    assert_equal_weights(loaded, transformer)
    assert not loaded.training


def test_a_duration_embedding_means_a_full_length_model(tmp_path: Path) -> None:
    _, state = published(duration_embedding=True)
    loaded = load_transformer(write(tmp_path / "cfm_model.pt", state))
    assert (loaded.config["max_frames"], loaded.config["duration_embedding"]) == (6144, True)


def test_a_full_length_v1_2_model_without_it_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "cfm_model.pt", published()[1])
    with pytest.raises(CheckpointError, match=r"missing: duration_time_embed.*attention=causal"):
        load_transformer(file, max_frames=6144)
    assert load_transformer(file, max_frames=6144, attention="causal").config["attention"] == "causal"


def test_forms_of_a_file(tmp_path: Path) -> None:
    transformer, state = published()
    training = {
        "model_state_dict": state,
        "ema_model_state_dict": {"initted": torch.tensor(True), "step": torch.tensor(3)},
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "step": 3,
    }
    torch.save(training, tmp_path / "model_3.pt")
    torch.save(state, tmp_path / "bare.pt")
    save_file(state, tmp_path / "cfm_model.safetensors")
    averaged = {f"ema_model.{name}": tensor for name, tensor in state.items()} | training["ema_model_state_dict"]
    torch.save({"ema_model_state_dict": averaged}, tmp_path / "averaged.pt")
    write(tmp_path / "buffers.pt", {**state, "transformer.rotary_emb.inv_freq": torch.ones(4)})
    for name in ("model_3.pt", "bare.pt", "averaged.pt", "cfm_model.safetensors", "buffers.pt", "."):
        assert_equal_weights(load_transformer(tmp_path / name), transformer)


def test_a_saved_network_keeps_its_own_settings(tmp_path: Path) -> None:
    transformer = build(modulation=True, attention="causal")
    transformer.save_pretrained(tmp_path)
    for path in (tmp_path, tmp_path / "diffusion_pytorch_model.safetensors"):
        loaded = load_transformer(path)
        assert settings(loaded) == settings(transformer)
        assert_equal_weights(loaded, transformer)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types(tmp_path: Path, dtype: torch.dtype) -> None:
    _, state = published()
    loaded = load_transformer(write(tmp_path / "m.pt", {n: t.half() for n, t in state.items()}), dtype=dtype)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {dtype}
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_weights_outlive_their_file(tmp_path: Path) -> None:
    transformer, state = published()
    file = write(tmp_path / "m.pt", state)
    loaded = load_transformer(file)
    file.write_bytes(b"\0" * file.stat().st_size)
    assert_equal_weights(loaded, transformer)


def change(name: str, function: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda state: {**state, name: function(state[name])}


def without(*starts: str) -> Callable[[State], State]:
    return lambda state: {name: tensor for name, tensor in state.items() if not name.startswith(starts)}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("transformer.proj_out.weight"), "missing: proj_out.weight"),
        (without("transformer.transformer_blocks.3."), "missing: transformer_blocks.3.input_layernorm.weight.*1 more"),
        (lambda state: {**state, "transformer.extra.weight": torch.ones(2)}, "unknown: extra.weight"),
        (change("transformer.proj_out.weight", lambda t: t[:-1]), r"proj_out.weight \[7, 64\] instead of \[8, 64\]"),
        (change("transformer.norm_out.linear.bias", lambda t: t[:-1]), r"norm_out.linear.bias \[127\] instead of"),
        (
            change("transformer.transformer_blocks.0.mlp.gate_proj.weight", torch.t),
            r"transformer_blocks.0.mlp.gate_proj.weight \[64, 128\] instead of \[128, 64\]",
        ),
        (change("transformer.input_embed.proj.weight", lambda t: t[:, 1:]), "input_embed.proj.weight"),
    ],
    ids=["missing", "layer missing", "unknown", "rows", "bias", "transposed", "inputs"],
)
def test_faulty_tensors_are_named(tmp_path: Path, edit: Callable[[State], State], message: str) -> None:
    file = write(tmp_path / "cfm_model.pt", edit(published()[1]))
    with pytest.raises(CheckpointError, match=message) as error:
        load_transformer(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_config_beside_it_notices_a_missing_end(tmp_path: Path) -> None:
    settings = {"model_type": "diffrhythm", "model": {"dim": 64, "depth": 5, "heads": 7, "dropout": 0.1}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"missing: transformer_blocks\.4"):
        load_transformer(write(tmp_path / "cfm_model.pt", published()[1]))


def test_a_config_without_a_section_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"dim": 64, "depth": 4, "max_frames": 2048}))
    transformer, state = published()
    assert_equal_weights(load_transformer(write(tmp_path / "cfm_model.pt", state)), transformer)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"architectures": ["Bert"]}', '{"model": {"dim": "64"}}', '{"model": {"depth": -1}}']
)
def test_a_foreign_config_beside_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_transformer(write(tmp_path / "cfm_model.pt", published()[1]))


def truncated(path: Path) -> None:
    write(path, published()[1])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def hostile(path: Path) -> None:
    path.write_bytes(pickle.dumps({"model_state_dict": print}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (truncated, "truncated or something else"),
        (hostile, "truncated or something else"),
        (lambda path: path.write_bytes(b""), "truncated or something else"),
        (lambda path: path.write_text("<html>not found</html>"), "truncated or something else"),
        (lambda path: shutil.copy(VAE_FILE, path), "truncated or something else"),
        (lambda path: torch.save({"lr": 1}, path), "no model_state_dict"),
        (lambda path: torch.save([1], path), "no model_state_dict"),
        (lambda path: write(path, {"bert.weight": torch.ones(3)}), "not a DiffRhythm checkpoint"),
        (lambda path: write(path, {}), "not a DiffRhythm checkpoint"),
    ],
    ids=["truncated", "hostile", "empty", "html", "torchscript", "dict", "list", "other model", "nothing"],
)
def test_other_files(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / "cfm_model.pt")
    with pytest.raises(CheckpointError, match=message):
        load_transformer(tmp_path / "cfm_model.pt")


def test_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file or folder"):
        load_transformer(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match="holds no weights; looked for"):
        load_transformer(tmp_path)
