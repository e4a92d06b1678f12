"""The ``encodec`` package and transformers' port of it: the same numbers. ``make test-encodec`` installs it."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.codecs.encodec import Encodec
from generators.codecs.encodec.names import rename
from generators.codecs.encodec.package import find_modules
from generators.codecs.scales import scales_of
from tests.generators.codecs.test_encodec import CASES, DATA, MODELS, vectors

OTHERS: tuple[dict[str, Any], ...] = (
    {"ratios": [5, 3], "overlap": 0.25, "segment": 0.125},
    {"segment": None, "norm": "weight_norm", "causal": True, "ratios": [3, 2, 2], "channels": 1},
    {"normalize": False, "n_filters": 6, "dimension": 12, "bins": 8, "n_q": 3, "target_bandwidths": [1.8, 5.5]},
)
"""What differs from the recorded stereo model."""

pytestmark = pytest.mark.skipif(find_spec("encodec") is None, reason="needs the extra encodec: make test-encodec")


def load(model: str, backend: Any, bandwidth_kbps: float | None = None) -> Encodec:
    files = DATA / f"{model}.th", DATA / f"{model}.json"
    return Encodec.from_pretrained(files[0], config=files[1], backend=backend, bandwidth_kbps=bandwidth_kbps)


@pytest.mark.parametrize(("model", "clips"), CASES)
def test_both_backends_compute_the_same(model: str, clips: str) -> None:
    ours, theirs = load(model, "transformers"), load(model, "encodec")
    assert ours.settings == theirs.settings
    assert ours.weights_sha256 == theirs.weights_sha256
    audio = vectors(model, clips)["audio_in"]
    latents = ours.encode(audio, ours.sample_rate_hz)
    assert torch.equal(theirs.encode(audio, ours.sample_rate_hz), latents)
    assert torch.equal(theirs.decode(latents), ours.decode(latents))
    assert torch.equal(theirs.codes(audio, ours.sample_rate_hz), ours.codes(audio, ours.sample_rate_hz))


def test_the_package_is_used_where_it_is() -> None:
    assert type(load("mono_causal", None).coders.encoder).__module__ == "encodec.modules.seanet"


@pytest.mark.parametrize("model", MODELS)
def test_a_model_of_the_package_itself(model: str) -> None:
    for kbps in MODELS[model]:
        theirs = package_model(model)
        codec = Encodec.from_model(theirs, bandwidth_kbps=kbps)
        assert codec.settings == load(model, "transformers").settings
        audio = vectors(model, "b")["audio_in"]
        theirs.set_target_bandwidth(float(kbps))
        with torch.no_grad():
            frames = theirs.encode(audio)
            decoded = theirs.decode(frames)
        codes = codec.codes(audio, codec.sample_rate_hz)
        assert torch.equal(codes.as_subclass(Tensor), torch.cat([part for part, _ in frames], dim=-1))
        torch.testing.assert_close(codec.decode_codes(codes), decoded, atol=1e-5, rtol=0)
        if codec.settings.normalize:
            assert torch.equal(scales_of(codes), torch.cat([scale for _, scale in frames], dim=1))


@pytest.mark.parametrize("changes", OTHERS, ids=str)
def test_models_of_other_sizes(changes: dict[str, Any], tmp_path: Path) -> None:
    """Of signals down to one sample, and of silence, the file of a model that nobody published gives what it gives."""
    recorded = json.loads((DATA / "stereo_segments.json").read_text())
    settings = {**recorded, **changes}
    theirs = fill(build(settings))
    torch.save(theirs.state_dict(), tmp_path / "model.th")
    (tmp_path / "model.json").write_text(json.dumps(settings))
    kbps = settings["target_bandwidths"][-1]
    codec = Encodec.from_pretrained(
        tmp_path / "model.th", config=tmp_path / "model.json", bandwidth_kbps=kbps, backend="transformers"
    )
    theirs.set_target_bandwidth(kbps)
    for samples in (1, codec.hop_samples + 1, 1201):
        audio = torch.randn(2, settings["channels"], samples) * torch.tensor([[[0.3]], [[0.0]]])
        with torch.no_grad():
            frames = theirs.encode(audio)
            decoded = theirs.decode(frames)
        codes = codec.codes(audio, codec.sample_rate_hz)
        assert torch.equal(codes.as_subclass(Tensor), torch.cat([part for part, _ in frames], dim=-1))
        torch.testing.assert_close(codec.decode_codes(codes), decoded, atol=1e-5, rtol=0)


def test_a_broken_torchaudio_breaks_nothing_else() -> None:
    """In a process of its own, whatever the order of imports."""
    script = (
        "from generators.codecs.encodec.package import find_modules\n"
        "from importlib.util import find_spec\n"
        "assert find_modules() is not None\n"
        "find_spec('torchaudio')\n"
        "from transformers import EncodecModel\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr


def package_model(model: str) -> Any:
    """Build the package's own model and give it the recorded weights."""
    built = build(json.loads((DATA / f"{model}.json").read_text()))
    state = torch.load(DATA / f"{model}.th", weights_only=True)
    built.load_state_dict(state)
    assert set(rename(state)) == set(rename(built.state_dict()))
    return built


def build(settings: dict[str, Any]) -> Any:
    """Build the package's own model."""
    assert find_modules() is not None
    import encodec.model
    import encodec.quantization

    shape = {
        "channels": settings["channels"],
        "dimension": settings["dimension"],
        "n_filters": settings["n_filters"],
        "ratios": settings["ratios"],
        "norm": settings["norm"],
        "causal": settings["causal"],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        encoder, decoder = encodec.modules.SEANetEncoder(**shape), encodec.modules.SEANetDecoder(**shape)
    quantizer = encodec.quantization.ResidualVectorQuantizer(settings["dimension"], settings["n_q"], settings["bins"])
    names = {"sample_rate", "channels", "normalize", "segment", "overlap", "target_bandwidths"} & set(settings)
    return encodec.model.EncodecModel(encoder, decoder, quantizer, **{name: settings[name] for name in names}).eval()


def fill(model: Any) -> Any:
    """Draw the codebooks, which a new model has at zero and would otherwise take from its first batch."""
    torch.manual_seed(4)
    for name, tensor in model.state_dict().items():
        if name.endswith("embed"):
            tensor.normal_(std=0.2)
        elif name.endswith("inited"):
            tensor.fill_(1)
    return model
