import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from analysis.sae.base import SAE, build
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.formats import dictionary_learning, saelens, sparsify
from analysis.source import Source

SOURCE = Source("codec", "ab" * 32, "latents", 8)
SETTINGS: dict[str, dict] = {
    "standard": {"sparsity": 0.1},
    "rms": {"sparsity": 0.1},
    "topk": {"k": 4},
    "batch_topk": {"k": 4},
    "jumprelu": {"k": 4},
    "matryoshka": {"k": 4, "prefixes": (5, 16, 32)},
    "random": {"k": 4},
}
X = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))


def make(architecture: str) -> SAE:
    """Every weight differs from every default."""
    sae = build(SAEConfig(architecture, 8, 32, **SETTINGS[architecture]), SOURCE)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for tensor in sae.parameters():
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
        if architecture in ("batch_topk", "matryoshka"):
            sae.threshold.fill_(0.7)
    return sae


def read(path: Path) -> dict:
    return json.loads(path.read_text())


# The native folder.


def test_cfg_says_what_saelens_reads(tmp_path: Path) -> None:
    saelens.save(make("topk"), tmp_path, training={"steps": 3})
    cfg = read(tmp_path / "cfg.json")
    metadata = cfg.pop("metadata")
    assert cfg == {
        "architecture": "topk",
        "d_in": 8,
        "d_sae": 32,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "k": 4,
        "rescale_acts_by_decoder_norm": False,
    }
    assert (metadata["model_name"], metadata["hook_name"]) == ("codec", "latents")
    assert metadata["audio_diffusion_harness"]["training"] == {"steps": 3}
    shapes = {name: tuple(t.shape) for name, t in load_file(tmp_path / "sae_weights.safetensors").items()}
    assert shapes == {"W_enc": (8, 32), "b_enc": (32,), "W_dec": (32, 8), "b_dec": (8,)}


@pytest.mark.parametrize("architecture", SETTINGS)
def test_folder_round_trip(architecture: str, tmp_path: Path) -> None:
    sae = make(architecture)
    saelens.save(sae, tmp_path)
    loaded = saelens.load(tmp_path)
    assert type(loaded) is type(sae)
    assert loaded.config == sae.config
    assert loaded.source == SOURCE
    assert torch.equal(loaded(X), sae(X))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cfg.json", "sae_weights.safetensors"]


@pytest.mark.parametrize("architecture", ["batch_topk", "matryoshka"])
def test_threshold_architectures_are_jumprelu_to_saelens(architecture: str, tmp_path: Path) -> None:
    sae = make(architecture)
    saelens.save(sae, tmp_path)
    cfg = read(tmp_path / "cfg.json")
    assert cfg["architecture"] == "jumprelu"
    del cfg["metadata"]
    (tmp_path / "cfg.json").write_text(json.dumps(cfg))
    torch.testing.assert_close(saelens.load(tmp_path)(X), sae(X))


def write_foreign_topk(folder: Path, **changes: object) -> dict[str, torch.Tensor]:
    """Write a folder as SAELens does: centred input, codes ranked by the length of what they decode to."""
    weights = {
        "W_enc": torch.randn(8, 32),
        "b_enc": torch.randn(32),
        "W_dec": 3 * torch.rand(32, 1) * torch.randn(32, 8),
        "b_dec": torch.randn(8),
    }
    save_file(weights, folder / "sae_weights.safetensors")
    cfg = {
        "architecture": "topk",
        "d_in": 8,
        "d_sae": 32,
        "k": 4,
        "apply_b_dec_to_input": True,
        "rescale_acts_by_decoder_norm": True,
        "normalize_activations": "none",
        "metadata": {"model_name": "gpt"},
    }
    (folder / "cfg.json").write_text(json.dumps(cfg | changes))
    return weights


def test_folders_that_saelens_wrote(tmp_path: Path) -> None:
    w = write_foreign_topk(tmp_path)
    norms = w["W_dec"].norm(dim=1)
    pre = ((X - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norms
    top = pre.topk(4)
    code = torch.zeros(50, 32).scatter(1, top.indices, top.values.relu())
    loaded = saelens.load(tmp_path, SOURCE)
    torch.testing.assert_close(loaded(X), (code / norms) @ w["W_dec"] + w["b_dec"], rtol=1e-4, atol=1e-4)
    assert loaded.source == SOURCE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gated"}, "architecture 'gated'; readable are standard, topk and jumprelu"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations 'layer_norm'"),
        ({"d_sae": 33}, r"W_enc is \(8, 32\); its config says \(8, 33\)"),
        ({"k": 99}, r"k must lie in 1..d_sae = 1..32; got 99"),
        ({"metadata": {"audio_diffusion_harness": {"version": 9}}}, "version 9; this program reads 1"),
    ],
)
def test_unreadable_folders_are_explained(changes: dict, message: str, tmp_path: Path) -> None:
    write_foreign_topk(tmp_path, **changes)
    with pytest.raises(SAEError, match=message):
        saelens.load(tmp_path)


def test_damaged_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(SAEError, match=r"cfg\.json is missing"):
        saelens.load(tmp_path)
    (tmp_path / "cfg.json").write_text("{")
    with pytest.raises(SAEError, match="cannot be read as JSON"):
        saelens.load(tmp_path)
    saelens.save(make("topk"), tmp_path)
    weights = load_file(tmp_path / "sae_weights.safetensors")
    save_file({"W_enc": weights["W_enc"]}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(SAEError, match="lacks b_enc"):
        saelens.load(tmp_path)
    save_file(weights | {"b_dec": torch.full((8,), torch.nan)}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(SAEError, match="b_dec holds NaN"):
        saelens.load(tmp_path)
    (tmp_path / "sae_weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(SAEError, match="cannot be read as safetensors"):
        saelens.load(tmp_path)


# dictionary_learning.


def foreign_state(architecture: str) -> tuple[str, dict[str, torch.Tensor]]:
    """State dicts as that library lays them out."""
    linear = {
        "encoder.weight": torch.randn(32, 8),
        "encoder.bias": torch.randn(32),
        "decoder.weight": torch.randn(8, 32),
    }
    plain = {
        "W_enc": torch.randn(8, 32),
        "b_enc": torch.randn(32),
        "W_dec": torch.randn(32, 8),
        "b_dec": torch.randn(8),
    }
    top = {"k": torch.tensor(4, dtype=torch.int), "threshold": torch.tensor(0.8)}
    return {
        "standard": ("AutoEncoder", linear | {"bias": torch.randn(8)}),
        "topk": ("AutoEncoderTopK", linear | top | {"b_dec": torch.randn(8)}),
        "batch_topk": ("BatchTopKSAE", linear | top | {"b_dec": torch.randn(8)}),
        "matryoshka": ("MatryoshkaBatchTopKSAE", plain | top | {"group_sizes": torch.tensor([5, 11, 16])}),
        "jumprelu": ("JumpReluAutoEncoder", plain | {"threshold": torch.rand(32)}),
    }[architecture]


def foreign_output(architecture: str, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """What that library computes from such a state dict."""
    if architecture in ("matryoshka", "jumprelu"):
        W_enc, b_enc, W_dec, b_dec = (state[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec"))
    else:
        W_enc, b_enc, W_dec = state["encoder.weight"].T, state["encoder.bias"], state["decoder.weight"].T
        b_dec = state["bias" if architecture == "standard" else "b_dec"]
    pre = (X if architecture == "jumprelu" else X - b_dec) @ W_enc + b_enc
    code = pre.relu()
    if architecture == "topk":
        top = code.topk(4)
        code = torch.zeros_like(code).scatter(1, top.indices, top.values)
    elif architecture != "standard":
        code = code * (code > state["threshold"])
    return code @ W_dec + b_dec


THEIRS = ["standard", "topk", "batch_topk", "matryoshka", "jumprelu"]


@pytest.mark.parametrize("architecture", THEIRS)
def test_reading_dictionary_learning(architecture: str, tmp_path: Path) -> None:
    name, state = foreign_state(architecture)
    torch.save(state, tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": name, "k": 4}, "buffer": {}}))
    sae = dictionary_learning.load(tmp_path, SOURCE)
    assert sae.config.architecture == architecture
    assert sae.source == SOURCE
    torch.testing.assert_close(sae(X), foreign_output(architecture, state), rtol=1e-4, atol=1e-4)
    if architecture == "matryoshka":
        assert sae.config.prefixes == (5, 16, 32)


@pytest.mark.parametrize("architecture", THEIRS)
def test_writing_dictionary_learning(architecture: str, tmp_path: Path) -> None:
    sae = make(architecture)
    dictionary_learning.save(sae, tmp_path)
    state = torch.load(tmp_path / "ae.pt", weights_only=True)
    name, example = foreign_state(architecture)
    assert read(tmp_path / "config.json")["trainer"]["dict_class"] == name
    assert {n: (t.shape, t.dtype) for n, t in state.items()} == {n: (t.shape, t.dtype) for n, t in example.items()}
    torch.testing.assert_close(foreign_output(architecture, state), sae(X), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dictionary_learning.load(tmp_path)(X), sae(X), rtol=1e-4, atol=1e-4)


def test_unreadable_dictionary_learning_folders_are_explained(tmp_path: Path) -> None:
    dictionary_learning.save(make("topk"), tmp_path)
    torch.save({"encoder": object}, tmp_path / "ae.pt")
    with pytest.raises(SAEError, match="cannot be read as a file of tensors only"):
        dictionary_learning.load(tmp_path)
    torch.save({"encoder.weight": torch.zeros(32, 8)}, tmp_path / "ae.pt")
    with pytest.raises(SAEError, match=r"lacks b_dec, decoder\.weight, encoder\.bias"):
        dictionary_learning.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": "GatedAutoEncoder"}}))
    with pytest.raises(SAEError, match="dict_class 'GatedAutoEncoder'; readable are AutoEncoder"):
        dictionary_learning.load(tmp_path)


# sparsify.


def test_reading_sparsify(tmp_path: Path) -> None:
    tensors = {
        "encoder.weight": torch.randn(32, 8),
        "encoder.bias": torch.randn(32),
        "W_dec": torch.randn(32, 8),
        "b_dec": torch.randn(8),
    }
    save_file(tensors, tmp_path / "sae.safetensors")
    cfg = {"activation": "topk", "expansion_factor": 4, "num_latents": 0, "k": 4, "d_in": 8, "transcode": False}
    (tmp_path / "cfg.json").write_text(json.dumps(cfg))
    top = ((X - tensors["b_dec"]) @ tensors["encoder.weight"].T + tensors["encoder.bias"]).relu().topk(4)
    code = torch.zeros(50, 32).scatter(1, top.indices, top.values)
    expected = code @ tensors["W_dec"] + tensors["b_dec"]
    torch.testing.assert_close(sparsify.load(tmp_path)(X), expected, rtol=1e-4, atol=1e-4)
    (tmp_path / "cfg.json").write_text(json.dumps(cfg | {"skip_connection": True}))
    with pytest.raises(SAEError, match="skip_connection True; readable is only False"):
        sparsify.load(tmp_path)


@pytest.mark.parametrize("architecture", ["topk", "random"])
def test_writing_sparsify(architecture: str, tmp_path: Path) -> None:
    sae = make(architecture)
    sparsify.save(sae, tmp_path)
    assert read(tmp_path / "cfg.json") == {
        "activation": "topk",
        "expansion_factor": 4,
        "normalize_decoder": architecture == "topk",
        "num_latents": 32,
        "k": 4,
        "multi_topk": False,
        "skip_connection": False,
        "transcode": False,
        "d_in": 8,
    }
    w = load_file(tmp_path / "sae.safetensors")
    top = ((X - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"]).relu().topk(4)
    code = torch.zeros(50, 32).scatter(1, top.indices, top.values)
    torch.testing.assert_close(code @ w["W_dec"] + w["b_dec"], sae(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("module", "architecture", "message"),
    [
        (sparsify, "batch_topk", "topk and random, not batch_topk"),
        (sparsify, "rms", "divided by their own norm, which it cannot express"),
        (dictionary_learning, "rms", "divided by their own norm, which no linear decoder can undo"),
    ],
)
def test_what_a_format_cannot_express_is_refused(
    module: object, architecture: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SAEError, match=message):
        module.save(make(architecture), tmp_path)
    assert list(tmp_path.iterdir()) == []
