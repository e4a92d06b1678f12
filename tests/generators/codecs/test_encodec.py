"""EnCodec against what the original made with two tiny models, and every input it has to refuse."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generators import codecs
from generators.base import CheckpointError
from generators.codecs.encodec import Encodec
from generators.codecs.encodec.names import rename
from generators.codecs.encodec.segments import Segments
from generators.codecs.scales import scales_of, with_scales
from generators.codecs.seanet import run
from generators.testing import CodecTests

DATA = Path(__file__).parents[2] / "data/encodec"
MODELS = {"mono_causal": (15, 30, 60), "stereo_segments": (3, 6, 12)}
CASES = [(model, clips) for model in MODELS for clips in ("a", "b")]


@functools.cache
def load(model: str, bandwidth_kbps: float | None = None) -> Encodec:
    codec = codecs.load(
        "encodec", weights=DATA / f"{model}.th", config=DATA / f"{model}.json", bandwidth_kbps=bandwidth_kbps
    )
    assert isinstance(codec, Encodec)
    return codec


def vectors(model: str, clips: str) -> dict[str, Tensor]:
    with np.load(DATA / f"{model}.npz") as file:
        return {name[2:]: torch.from_numpy(file[name]) for name in file if name.startswith(f"{clips}_")}


def joined(found: dict[str, Tensor], name: str) -> Tensor:
    """All segments of what is recorded one by one, along time."""
    parts = [found[f"{name}_seg{index}"] for index in range(9) if f"{name}_seg{index}" in found]
    assert parts
    return torch.cat(parts, dim=-1)


class TestMono(CodecTests):
    def codec(self) -> Encodec:
        return load("mono_causal")


class TestStereo(CodecTests):
    def codec(self) -> Encodec:
        return load("stereo_segments")


class TestScaleChannel(CodecTests):
    def codec(self) -> codecs.base.Codec:
        return load("stereo_segments").standalone()


@pytest.mark.parametrize(("model", "clips"), CASES)
def test_continuous_path(model: str, clips: str) -> None:
    codec, found = load(model), vectors(model, clips)
    latents = codec.encode(found["audio_in"], codec.sample_rate_hz)
    torch.testing.assert_close(latents, joined(found, "encoder_out").mT, atol=1e-5, rtol=0)
    torch.testing.assert_close(codec.decode(latents), found["audio_from_continuous"], atol=1e-5, rtol=0)
    edited = latents + found["steer_delta"]
    torch.testing.assert_close(codec.decode(edited), found["audio_steered_continuous"], atol=1e-5, rtol=0)
    codes = codec.quantise(edited)
    assert torch.equal(codes, joined(found, "steered_codes").long())
    torch.testing.assert_close(codec.decode_codes(codes), found["audio_steered_requantised"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("model", "clips"), CASES)
def test_every_bandwidth(model: str, clips: str) -> None:
    found = vectors(model, clips)
    for kbps in MODELS[model]:
        codec = load(model, kbps)
        codes = codec.codes(found["audio_in"], codec.sample_rate_hz)
        assert codes.dtype == torch.int64
        assert torch.equal(codes, joined(found, f"bw{kbps}_codes").long())
        torch.testing.assert_close(codec.decode_codes(codes), found[f"bw{kbps}_audio_out"], atol=1e-5, rtol=0)
    everything = load(model).codes(found["audio_in"], codec.sample_rate_hz)
    assert torch.equal(everything, codes)
    quantised = load(model).dequantise(everything)
    torch.testing.assert_close(quantised, joined(found, "quantised").mT, atol=1e-5, rtol=0)


def test_scales_are_the_recorded_ones_and_matter() -> None:
    codec, found = load("stereo_segments"), vectors("stereo_segments", "b")
    latents = codec.encode(found["audio_in"], codec.sample_rate_hz)
    scales = scales_of(latents)
    assert scales is not None
    torch.testing.assert_close(scales, joined(found, "scale"), atol=1e-6, rtol=0)
    plain = codec.decode(latents.as_subclass(Tensor))
    assert scales_of(latents[1:]).shape == (1, 3)  # type: ignore[union-attr]
    assert scales_of(latents[:, 1:]) is None
    torch.testing.assert_close(plain, codec.decode(with_scales(latents.as_subclass(Tensor), torch.ones(2, 3))))
    assert not torch.allclose(plain, codec.decode(latents))
    with pytest.raises(ValueError, match=r"scales have shape \(2, 2\)"):
        codec.decode(with_scales(plain.new_zeros(latents.shape), torch.ones(2, 2)))


def test_the_scale_channel_holds_the_loudness() -> None:
    codec, found = load("stereo_segments").standalone(), vectors("stereo_segments", "a")
    first = found["audio_in"][..., :480]
    latents = codec.encode(first, codec.sample_rate_hz)
    assert type(latents) is Tensor
    torch.testing.assert_close(latents[..., :-1], found["encoder_out_seg0"].mT, atol=1e-5, rtol=0)
    torch.testing.assert_close(latents[0, :, -1].exp(), found["scale_seg0"][0].expand(60), atol=1e-6, rtol=0)
    original = load("stereo_segments")
    expected = original.decode(original.encode(first, 4800))
    torch.testing.assert_close(codec.decode(latents)[..., :475], expected[..., :475], atol=1e-5, rtol=0)
    assert load("mono_causal").standalone() is load("mono_causal")


def test_the_scale_channel_can_be_edited() -> None:
    codec, audio = load("stereo_segments").standalone(), vectors("stereo_segments", "a")["audio_in"]
    latents = codec.encode(audio, codec.sample_rate_hz)
    assert latents.shape == (1, 163, 17)
    decoded = codec.decode(latents)
    assert decoded.shape[-1] == 163 * 8
    louder = latents.clone()
    louder[..., -1] += np.log(2)
    torch.testing.assert_close(codec.decode(louder), 2 * decoded, atol=1e-5, rtol=0)
    torch.testing.assert_close(codec.encode(2 * audio, codec.sample_rate_hz), louder, atol=1e-4, rtol=0)


def test_a_long_signal_in_windows_is_the_whole_one() -> None:
    codec = load("mono_causal")
    audio = torch.randn(1, 1, 3333)
    for size in (64, 100, 400):
        latents = run(codec.coders.encoder, audio, step_in=8, size=size)
        torch.testing.assert_close(latents, codec.coders.encoder(audio), atol=1e-5, rtol=0)
        decoded = run(codec.coders.decoder, latents, step_out=8, size=size)
        torch.testing.assert_close(decoded, codec.coders.decoder(latents), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("length", "stride", "hop"), [(480, 475, 8), (48000, 47520, 320), (100, 75, 8), (64, 64, 8)])
def test_segments_follow_from_the_number_of_frames(length: int, stride: int, hop: int) -> None:
    segments = Segments(length, stride, hop)
    for samples in [
        1,
        hop,
        length - 1,
        length,
        length + 1,
        *range(2 * stride, 2 * length, max(length // 50, 1)),
        9 * length,
    ]:
        frames = segments.frames(samples)
        assert segments.split(sum(frames)) == frames
    parts = [torch.ones(1, 1, n * hop) for n in segments.frames(3 * length)]
    torch.testing.assert_close(segments.join(parts), torch.ones(1, 1, segments.join(parts).shape[-1]))


def test_frames_of_no_signal_are_refused() -> None:
    with pytest.raises(ValueError, match="13 latent frames do not make whole segments"):
        Segments(96, 48, 8).split(13)


def test_the_gradient_comes_through() -> None:
    latents = torch.randn(1, 9, 16, requires_grad=True)
    load("mono_causal").decode(latents).square().sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() > 0


def test_mono_and_other_rates_go_into_stereo() -> None:
    codec = load("stereo_segments")
    mono = torch.randn(1, 1, 400)
    both = codec.encode(mono.expand(-1, 2, -1), codec.sample_rate_hz)
    assert torch.equal(codec.encode(mono, codec.sample_rate_hz), both)
    assert codec.encode(mono, 2400).shape[1] == 101 or codec.encode(mono, 2400).shape[1] == 100


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.zeros(1, 4, 5), "integers"),
        (torch.zeros(4, 5, dtype=torch.long), "shape"),
        (torch.zeros(1, 4, 0, dtype=torch.long), "shape"),
        (torch.zeros(1, 5, 3, dtype=torch.long), "5 codebooks were given; this codec reads 1 to 4"),
        (torch.full((1, 4, 3), 32), "reach from 32 to 32; give 0 to 31"),
        (torch.full((1, 4, 3), -1), "reach from -1"),
    ],
    ids=["float", "2-d", "empty", "count", "high", "low"],
)
def test_bad_codes(codes: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load("mono_causal").decode_codes(codes)


def test_a_bandwidth_fixes_the_number_of_codebooks() -> None:
    with pytest.raises(ValueError, match="1 codebooks were given; this codec reads 2"):
        load("mono_causal", 30).decode_codes(torch.zeros(1, 1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="bandwidth_kbps is 20; this EnCodec model has 15, 30, 60"):
        load("mono_causal", 20)


@pytest.mark.parametrize("shape", [(5, 16), (1, 5, 15), (1, 0, 16)])
def test_bad_latents(shape: tuple[int, ...]) -> None:
    for function in (
        load("mono_causal").decode,
        load("mono_causal").quantise,
        load("stereo_segments").standalone().decode,
    ):
        with pytest.raises(ValueError, match="latents have shape"):
            function(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratios": [4, 4]}, r"of another shape: encoder\.layers\.3"),
        ({"n_q": 5}, r"missing: quantizer\.layers\.4\.codebook\.embed"),
        ({"channels": 2}, "of another shape"),
        ({"norm": "batch_norm"}, "norm / norm_type is 'batch_norm'"),
        ({"sample_rate": -1}, "sample_rate / sampling_rate is -1"),
        ({"ratios": []}, r"ratios / upsampling_ratios is \[\]"),
    ],
)
def test_a_config_that_does_not_fit(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads((DATA / "mono_causal.json").read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        codecs.load("encodec", weights=DATA / "mono_causal.th", config=config)


def test_other_files(tmp_path: Path) -> None:
    weights = DATA / "mono_causal.th"
    (tmp_path / "cut.th").write_bytes(weights.read_bytes()[:9000])
    torch.save({"a": torch.ones(1)}, tmp_path / "a.th")
    torch.save([1], tmp_path / "list.th")
    torch.save({"state_dict": {"feature_extractor.encodec.x": torch.ones(1)}}, tmp_path / "w.ckpt")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "else.json").write_text('{"a": 1}')
    for name, config, message in [
        ("cut.th", None, "truncated"),
        ("a.th", None, "holds no EnCodec model"),
        ("list.th", None, "holds no weights under names"),
        ("w.ckpt", None, "load it as codec 'wavtokenizer'"),
        ("nowhere.th", None, "missing"),
        (weights, None, "give a config"),
        (weights, tmp_path / "nowhere.json", "cannot be read"),
        (weights, tmp_path / "list.json", "not a JSON object"),
        (weights, tmp_path / "else.json", "states nothing of an EnCodec model"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            codecs.load("encodec", weights=tmp_path / name, config=config)


def test_without_a_network_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("encodec", "wavtokenizer"):
        with pytest.raises(CheckpointError, match=r"no network, or it is switched off.*give its path as weights"):
            codecs.load(name)


def test_loading_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    Encodec.from_pretrained(DATA / "mono_causal.th", config=DATA / "mono_causal.json")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_that_is_loaded_already() -> None:
    from transformers import EncodecConfig, EncodecModel

    settings = json.loads((DATA / "mono_causal.json").read_text())
    config = EncodecConfig(
        hidden_size=16,
        num_filters=8,
        upsampling_ratios=[4, 2],
        codebook_size=32,
        target_bandwidths=settings["target_bandwidths"],
    )
    model = EncodecModel(config)
    state = torch.load(DATA / "mono_causal.th", weights_only=True)
    model.load_state_dict(rename(state), strict=False)
    codec, same = Encodec.from_model(model, bandwidth_kbps=30), load("mono_causal", 30)
    assert codec.settings == same.settings
    assert codec.weights_sha256 == same.weights_sha256
    audio = torch.randn(1, 1, 500)
    assert torch.equal(codec.codes(audio, 24000), same.codes(audio, 24000))
    with pytest.raises(CheckpointError, match="give an EncodecModel"):
        Encodec.from_model(torch.nn.Linear(1, 1))
