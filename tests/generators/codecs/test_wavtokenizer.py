"""WavTokenizer's decoder against the original's, the whole of it where the vectors are, and inputs it refuses."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from generators import codecs
from generators.base import CheckpointError
from generators.codecs.encodec.names import canonical
from generators.codecs.wavtokenizer import WavTokenizer
from generators.codecs.wavtokenizer.codec import FEATURES, Network
from generators.codecs.wavtokenizer.decoder import Decoder
from generators.codecs.wavtokenizer.settings import WavTokenizerSettings
from generators.testing import CodecTests

DATA = Path(__file__).parents[2] / "data"
PARITY = Path(__file__).parents[4] / "shared/parity/wavtokenizer/tiny"
SETTINGS = WavTokenizerSettings((4, 2), 4, 16, 1, 8, 32, 48, 1, 3, 32, 16000)


@functools.cache
def tiny() -> WavTokenizer:
    """A model with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(SETTINGS)
        network.codebook.normal_()
    return WavTokenizer(network, SETTINGS)


def checkpoint(folder: Path) -> tuple[Path, Path]:
    """Write ``tiny()`` in the published form: names of the original, what only training reads, and a config."""
    state = {"dac.x": torch.ones(1), f"{FEATURES}decoder.model.0.conv.conv.bias": torch.ones(1)}
    original = {canonical(name): name for name in _original_names()}
    for name, tensor in tiny().network.named_state().items():
        state[original.get(name, name)] = tensor
    torch.save(
        {
            "state_dict": {
                FEATURES + n if not n.startswith(("backbone", "head", "dac", FEATURES)) else n: t
                for n, t in state.items()
            },
            "epoch": 1,
        },
        folder / "model.ckpt",
    )
    model = {
        "sample_rate": 16000,
        "feature_extractor": {"init_args": {"dowmsamples": [4, 2], "vq_bins": 8, "num_quantizers": 1}},
        "backbone": {
            "init_args": {
                "input_channels": 16,
                "dim": 32,
                "intermediate_dim": 48,
                "num_layers": 1,
                "adanorm_num_embeddings": 3,
            }
        },
        "head": {"init_args": {"dim": 32, "n_fft": 32, "hop_length": 8, "padding": "same"}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": {"init_args": model}}))
    return folder / "model.ckpt", folder / "config.yaml"


def _original_names() -> list[str]:
    names = [f"encoder.model.{n}.conv.conv.{leaf}" for n in (0, 3, 6, 9) for leaf in ("weight_g", "weight_v", "bias")]
    for n in (1, 4):
        parts = (f"encoder.model.{n}.block.1", f"encoder.model.{n}.block.3", f"encoder.model.{n}.shortcut")
        names += [f"{part}.conv.conv.{leaf}" for part in parts for leaf in ("weight_g", "weight_v", "bias")]
    names += [
        f"encoder.model.7.lstm.{w}_l{n}" for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") for n in (0, 1)
    ]
    return [*names, "quantizer.vq.layers.0._codebook.embed"]


class TestWavTokenizer(CodecTests):
    def codec(self) -> WavTokenizer:
        return tiny()


def test_decoder_makes_what_the_original_makes() -> None:
    tensors = load_file(DATA / "wavtokenizer/decoder.safetensors")
    recorded = {
        name.removeprefix("vectors.a_"): tensors.pop(name) for name in list(tensors) if name.startswith("vectors.")
    }
    decoder = Decoder(512, 64, 128, 2, 4, 80, 20).eval()
    missing, unknown = decoder.load_state_dict(tensors, strict=False)
    assert missing == ["backbone.embed.weight", "backbone.embed.bias"]
    assert unknown == []
    with torch.no_grad():
        h = decoder.backbone.pos_net(recorded["backbone_embed_bw0"])
        _close(h, recorded["backbone_pos_net_bw0"])
        out = decoder.backbone.local(h, 0)
        _close(out, recorded["backbone_out_bw0"])
        _close(decoder.head.out(out), recorded["head_linear_bw0"])
        for row in (0, 2):
            _close(decoder.head(decoder.backbone.local(h, row)), recorded[f"audio_out_bw{row}"])


@pytest.mark.skipif(not PARITY.is_dir(), reason="needs ../shared/parity/wavtokenizer")
@pytest.mark.parametrize("config", [PARITY / "config.yaml", None], ids=["config", "shapes"])
def test_the_whole_against_the_original(config: Path | None) -> None:
    rows = {
        r: codecs.load("wavtokenizer", weights=PARITY / "model.ckpt", config=config, bandwidth_id=r) for r in (0, 2)
    }
    with np.load(PARITY / "vectors.npz") as file:
        found = {name: torch.from_numpy(file[name]) for name in file}
    codec = rows[0]
    assert isinstance(codec, WavTokenizer)
    for clips in "ab":
        audio = found[f"{clips}_audio_in"][:, None]
        latents = codec.encode(audio, 24000)
        _close(latents, found[f"{clips}_encoder_out"].mT)
        codes = codec.codes(audio, 24000)
        assert torch.equal(codes, found[f"{clips}_codes"].transpose(0, 1).long())
        assert torch.equal(codec.dequantise(codes), found[f"{clips}_features"].mT)
        for row, one in rows.items():
            assert isinstance(one, WavTokenizer)
            _close(one.decode_codes(codes)[:, 0], found[f"{clips}_audio_out_bw{row}"])
        _close(codec.decode(latents)[:, 0], found[f"{clips}_audio_out_continuous_bw0"], 1e-4)
    edited = found["a_encoder_out"].mT + found["steer_delta"]
    _close(codec.decode(edited)[:, 0], found["a_audio_out_steered_continuous"], 1e-4)
    codes = codec.quantise(edited)
    assert torch.equal(codes, found["a_codes_steered"].transpose(0, 1).long())
    _close(codec.decode_codes(codes)[:, 0], found["a_audio_out_steered_requantised"])


def test_a_checkpoint_in_the_published_form(tmp_path: Path) -> None:
    weights, config = checkpoint(tmp_path)
    loaded = codecs.load("wavtokenizer", weights=weights, config=config)
    assert loaded.weights_sha256 == tiny().weights_sha256
    assert loaded.sample_rate_hz == 16000
    latents = torch.randn(1, 5, 16)
    assert torch.equal(loaded.decode(latents), tiny().decode(latents))
    guessed = codecs.load("wavtokenizer", weights=weights)
    assert isinstance(guessed, WavTokenizer)
    assert guessed.settings == replace(SETTINGS, sample_rate_hz=24000)


def test_norms_without_rows() -> None:
    settings = replace(SETTINGS, norm_rows=None)
    codec = WavTokenizer(Network(settings), settings)
    assert "backbone.norm.weight" in codec.network.named_state()
    assert codec.decode(torch.randn(1, 5, 16)).shape == (1, 1, 40)
    with pytest.raises(ValueError, match="this model has 0 to 0"):
        WavTokenizer(Network(settings), settings, bandwidth_id=1)


def test_windows_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(2, 16, 300)
    decoder = tiny().network.decoder
    whole = decoder(latents, 1)
    torch.testing.assert_close(decoder(latents, 1, size=64), whole, atol=1e-5, rtol=0)
    monkeypatch.setattr("generators.codecs.wavtokenizer.backbone.ATTENTION_ENTRIES", 5000)
    torch.testing.assert_close(decoder(latents, 1), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bandwidth_id", [-1, 3])
def test_rows_that_are_not_there(bandwidth_id: int) -> None:
    with pytest.raises(ValueError, match="this model has 0 to 2"):
        WavTokenizer(tiny().network, SETTINGS, bandwidth_id=bandwidth_id)


def test_codes_of_more_than_one_codebook_are_refused() -> None:
    with pytest.raises(ValueError, match="2 codebooks were given; this codec reads 1"):
        tiny().decode_codes(torch.zeros(1, 2, 3, dtype=torch.long))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("feature_extractor", "num_quantizers"), 2, "every WavTokenizer has one"),
        (("feature_extractor", "dowmsamples"), [4, 4], "hop_length is 8, but the strides make 16"),
        (("backbone", "dim"), 40, "multiple of 32"),
        (("backbone", "num_layers"), 2, r"missing: backbone\.convnext\.1"),
        (("backbone", "num_layers"), "two", r"backbone\.num_layers is 'two'"),
        (("head", "padding"), "center", "padding is 'center'"),
        (("head", "n_fft"), 33, "n_fft 33; give an even number"),
    ],
)
def test_a_config_that_does_not_fit(path: tuple[str, str], value: object, message: str, tmp_path: Path) -> None:
    weights, config = checkpoint(tmp_path)
    document = yaml.safe_load(config.read_text())
    document["model"]["init_args"][path[0]]["init_args"][path[1]] = value
    config.write_text(yaml.safe_dump(document))
    with pytest.raises(CheckpointError, match=message):
        codecs.load("wavtokenizer", weights=weights, config=config)


def test_other_files(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "a.ckpt")
    torch.save({"state_dict": {f"{FEATURES}encoder.x": torch.ones(1)}}, tmp_path / "part.ckpt")
    (tmp_path / "list.yaml").write_text("[1]")
    (tmp_path / "bad.yaml").write_text("{")
    weights, _ = checkpoint(tmp_path)
    for name, config, message in [
        (DATA / "encodec/mono_causal.th", None, "load it as codec 'encodec'"),
        ("a.ckpt", None, "holds no WavTokenizer"),
        ("part.ckpt", None, "holds no WavTokenizer"),
        (weights, tmp_path / "list.yaml", "states no WavTokenizer"),
        (weights, tmp_path / "bad.yaml", "not YAML"),
        (weights, tmp_path / "nowhere.yaml", "cannot be read"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            codecs.load("wavtokenizer", weights=tmp_path / name, config=config)


def test_unknown_names_and_options() -> None:
    with pytest.raises(ValueError, match="unknown codec 'ogg'; known: closed-form"):
        codecs.load("ogg")
    with pytest.raises(ValueError, match="'mini' takes no bandwidth_kbps"):
        codecs.load("mini", bandwidth_kbps=6)
    with pytest.raises(ValueError, match="'closed-form' has no weights"):
        codecs.load("closed-form", weights="x")
    assert codecs.load("closed-form", bandwidth_kbps=None).id == "closed-form"


def _close(actual: Tensor, expected: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)
