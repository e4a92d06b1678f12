"""Training on real DiffRhythm-VAE latents of two songs, where they lie beside the checkout."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from analysis.sae.config import SAEConfig
from analysis.sae.learner import Record, TrainConfig
from analysis.sae.metrics import evaluate
from analysis.sae.train import Trainer

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "diffrhythm_latents"
SONGS = [FOLDER / "2626046476.safetensors", FOLDER / "547512549.safetensors"]


@pytest.mark.skipif(not all(song.is_file() for song in SONGS), reason=f"needs the latents in {FOLDER}")
def test_saes_learn_real_latents_without_dying(capsys: pytest.CaptureFixture[str]) -> None:
    data = np.concatenate([load_file(song)["latent"][0].T.numpy() for song in SONGS])
    configs = [
        SAEConfig("topk", 64, 512, k=16),
        SAEConfig("batch_topk", 64, 512, k=16),
        SAEConfig("standard", 64, 512, sparsity=0.5),
        SAEConfig("random", 64, 512, k=16),
    ]
    records: list[Record] = []
    saes = Trainer(data, configs, TrainConfig(steps=100, batch_size=1024)).run(records.append)
    figures = {sae.config.architecture: evaluate(sae, data) for sae in saes}
    with capsys.disabled():
        for name, metrics in figures.items():
            print(f"\n{name}: fvu {metrics.fvu:.3f}, l0 {metrics.l0:.1f}, dead {metrics.dead:.3f}", end="")
    assert figures["topk"].fvu < 0.3
    assert figures["topk"].dead < 0.01
    assert figures["batch_topk"].fvu < 0.3
    assert figures["batch_topk"].l0 == pytest.approx(16, rel=0.2)
    assert figures["standard"].fvu < 0.5
    assert figures["random"].fvu > figures["topk"].fvu
