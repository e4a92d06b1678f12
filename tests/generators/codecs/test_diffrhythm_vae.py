"""The autoencoder against a recorded tiny one, as TorchScript and as tensors, and its windows against recorded ones."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from generators.base import CheckpointError
from generators.codecs.diffrhythm_vae import DiffRhythmVae
from generators.codecs.oobleck import from_original
from generators.codecs.windows import map_windows, windows
from generators.testing import CodecTests

DATA = Path(__file__).parents[2] / "data/diffrhythm/vae"
ATOL = 1e-6
State = dict[str, Tensor]


@functools.cache
def script() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(DATA / "vae_model.pt")


@functools.cache
def vae() -> DiffRhythmVae:
    return DiffRhythmVae.from_pretrained(DATA / "vae_model.pt")


class TestDiffRhythmVae(CodecTests):
    def codec(self) -> DiffRhythmVae:
        return vae()


def test_recorded_calls() -> None:
    tensors = load_file(DATA / "oobleck.safetensors")
    decoded = vae().decode(tensors["in.latent"].transpose(1, 2))
    torch.testing.assert_close(decoded, tensors["decode"], atol=ATOL, rtol=0)
    means, scales = tensors["encode"].chunk(2, dim=1)
    encoded = vae().encode(tensors["in.audio"], 44100)
    torch.testing.assert_close(encoded, means.transpose(1, 2), atol=ATOL, rtol=0)
    posterior = vae().vae.encode(tensors["in.audio"]).latent_dist
    torch.testing.assert_close(posterior.scale, scales, atol=ATOL, rtol=0)


def test_recorded_decoder_layers() -> None:
    tensors = load_file(DATA / "oobleck.safetensors")
    seen: dict[int, Tensor] = {}
    decoder = vae().vae.decoder
    layers = [decoder.conv1, *decoder.block, decoder.snake1, decoder.conv2]
    handles = [
        layer.register_forward_hook(lambda m, a, output, n=n: seen.update({n: output}))
        for n, layer in enumerate(layers)
    ]
    vae().decode(tensors["in.latent"].transpose(1, 2))
    for handle in handles:
        handle.remove()
    compared = [n for n in seen if f"decoder.after_layer{n}" in tensors]
    assert compared == list(range(8))
    for n in compared:
        expected = tensors[f"decoder.after_layer{n}"]
        torch.testing.assert_close(seen[n][..., : expected.shape[-1]], expected, atol=ATOL, rtol=0)


def test_windows_are_the_recorded_ones() -> None:
    maps = json.loads((DATA / "chunk_maps.json").read_text())
    whole_hops = {int(n) // 2048: item for n, item in maps["encode"].items() if int(n) % 2048 == 0}
    cases = {**{int(frames): item for frames, item in maps["decode"].items()}, **whole_hops}
    assert len(cases) == 10
    for frames, item in cases.items():
        cut = windows(frames)
        assert len(cut) == item["n_chunks"]
        assert [[w.keep_start, w.keep_stop, n] for n, w in enumerate(cut)] == item["frame_runs"]


@pytest.mark.parametrize("frames", [1, 127, 128, 129, 223, 224, 225, 1000])
def test_windows_cover_every_frame_once(frames: int) -> None:
    cut = windows(frames)
    assert [n for w in cut for n in range(w.keep_start, w.keep_stop)] == list(range(frames))
    assert all(w.start <= w.keep_start < w.keep_stop <= w.stop <= w.start + 128 for w in cut)
    values = torch.randn(2, 3, frames)
    assert torch.equal(map_windows(lambda part: part, values), values)


def test_long_songs_are_decoded_as_the_script_would_in_windows() -> None:
    latents = torch.randn(1, 230, 2)
    expected = torch.zeros(1, 2, 230 * 2048)
    for start, stop, keep_start, keep_stop in windows(230):
        with torch.no_grad():
            part = script().decode_export(latents[:, start:stop].transpose(1, 2))
        kept = part[..., (keep_start - start) * 2048 : (keep_stop - start) * 2048]
        expected[..., keep_start * 2048 : keep_stop * 2048] = kept
    torch.testing.assert_close(vae().decode(latents), expected, atol=ATOL, rtol=0)


def test_windows_give_what_the_whole_song_gives() -> None:
    latents = torch.randn(1, 150, 2)
    with torch.no_grad():
        whole = vae().vae.decode(latents.transpose(1, 2)).sample
        torch.testing.assert_close(vae().decode(latents), whole, atol=ATOL, rtol=0)
        means = vae().vae.encode(whole).latent_dist.mean.transpose(1, 2)
        torch.testing.assert_close(vae().encode(whole, 44100), means, atol=ATOL, rtol=0)


def test_save_and_load(tmp_path: Path) -> None:
    vae().save_pretrained(tmp_path)
    loaded = DiffRhythmVae.from_pretrained(tmp_path)
    assert loaded.weights_sha256 == vae().weights_sha256
    latents = torch.randn(1, 5, 2)
    assert torch.equal(loaded.decode(latents), vae().decode(latents))


def test_unfolded_weights_are_read_too() -> None:
    state: State = {}
    for name, tensor in script().state_dict().items():
        if name.endswith(".weight"):
            gain = tensor.flatten(1).norm(dim=1)[:, None, None]
            state |= {f"{name}_g": gain, f"{name}_v": 3 * tensor}
        else:
            state[name] = tensor
    latents = torch.randn(1, 5, 2)
    unfolded = DiffRhythmVae(from_original(state, Path("x")))
    torch.testing.assert_close(unfolded.decode(latents), vae().decode(latents), atol=ATOL, rtol=0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: {n: t for n, t in s.items() if n != "decoder.layers.7.weight"}, "holds no Oobleck"),
        (lambda s: {n: t for n, t in s.items() if n != "encoder.layers.7.bias"}, r"missing: encoder\.conv2\.bias"),
        (lambda s: {**s, "bottleneck.scale": torch.ones(1)}, r"unknown: bottleneck\.scale"),
        (
            lambda s: {**s, "decoder.layers.1.layers.0.alpha": torch.ones(3)},
            r"decoder\.block\.0\.snake1\.alpha \[1, 3, 1\] instead of \[1, 16, 1\]",
        ),
        (lambda s: {}, "holds no Oobleck"),
    ],
    ids=["no output", "missing", "unknown", "shape", "empty"],
)
def test_faulty_tensors_are_named(edit: Callable[[State], State], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        from_original(edit(script().state_dict()), Path("vae_model.pt"))


def test_other_files(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "pickle.pt")
    (tmp_path / "cut.pt").write_bytes((DATA / "vae_model.pt").read_bytes()[:100_000])
    for name in ("pickle.pt", "cut.pt"):
        with pytest.raises(CheckpointError, match="not a TorchScript file"):
            DiffRhythmVae.from_pretrained(tmp_path / name)
    with pytest.raises(CheckpointError, match="missing"):
        DiffRhythmVae.from_pretrained(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match=r"config\.json: missing"):
        DiffRhythmVae.from_pretrained(tmp_path)
    save_file({"a": torch.ones(1)}, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text('{"no_such_setting": 1}')
    with pytest.raises(CheckpointError, match="no AutoencoderOobleck has these settings"):
        DiffRhythmVae.from_pretrained(tmp_path)
