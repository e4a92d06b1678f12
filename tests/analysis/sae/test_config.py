import re

import pytest

from analysis.sae.base import build
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.learner import TrainConfig
from analysis.source import Source


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 65}, "k must lie in 1..d_sae = 1..64; got 65"),
        ({"k": 0}, "k must lie in 1..d_sae"),
        ({"d_in": 0, "k": 4}, "d_in must be at least 1; got 0"),
        ({"sparsity": -1.0}, "sparsity must be a finite number"),
        ({"prefixes": (8, 4, 64)}, "prefixes must ascend"),
        ({"prefixes": (8, 32)}, "end at d_sae 64"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SAEError, match=re.escape(message)):
        SAEConfig(**({"architecture": "topk", "d_in": 8, "d_sae": 64} | settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "topk"}, "topk needs k"),
        ({"architecture": "standard", "k": 4}, "standard needs sparsity"),
        ({"architecture": "topk", "k": 4, "sparsity": 0.1}, "topk has no sparsity"),
        ({"architecture": "topkk", "k": 4}, "unknown SAE architecture 'topkk'. Known: batch_topk,"),
    ],
)
def test_settings_that_do_not_fit_the_architecture_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SAEError, match=re.escape(message)):
        build(SAEConfig(**({"d_in": 8, "d_sae": 64} | settings)))


def test_json_round_trip_and_unknown_names() -> None:
    config = SAEConfig("matryoshka", 8, 64, k=4, prefixes=(8, 64), seed=3)
    assert SAEConfig.from_json(config.to_json()) == config
    with pytest.raises(SAEError, match="unknown SAE setting 'd_sea'; did you mean 'd_sae'"):
        SAEConfig.from_json({"architecture": "topk", "d_in": 8, "d_sea": 64})
    with pytest.raises(SAEError, match="needs d_in, d_sae"):
        SAEConfig.from_json({"architecture": "topk"})


def test_source_of_another_width_is_refused() -> None:
    with pytest.raises(SAEError, match="d_in 8 but its source has d_in 9"):
        build(SAEConfig("topk", 8, 64, k=4), Source("codec", "0" * 64, "latents", 9))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number"),
        ({"warmup": 0.6, "decay": 0.6}, "add up to at most 1"),
        ({"precision": "fp8"}, "precision must be float32 or bf16"),
        ({"dead_after": 0}, "dead_after must be at least 1"),
    ],
)
def test_impossible_training_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SAEError, match=message):
        TrainConfig(**({"steps": 10} | settings))


def test_learning_rate_rises_stays_and_falls() -> None:
    config = TrainConfig(steps=100, learning_rate=1.0, warmup=0.1, decay=0.2)
    rates = [config.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[99] == pytest.approx(0.05)
