"""What decodes the closed-form generator: a small SAE and probes, fitted on all members of its set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from analysis import properties
from analysis.probes import DenseFeatures, ProbeTask, SparseFeatures, save_probe, train_probe
from analysis.sae.base import build
from analysis.sae.config import SAEConfig
from analysis.sae.formats import saelens
from analysis.source import Source
from generators.closed_form import ClosedFormGenerator

FRAMES = 6


@dataclass(frozen=True)
class Fitted:
    """Folders as ``harness train-sae`` and ``harness train-probes`` leave them."""

    source: Source
    sae: Path
    probes: Path
    """On features of ``sae``."""
    raw: Path
    """On the latents themselves."""


@pytest.fixture(scope="session")
def generator() -> ClosedFormGenerator:
    return ClosedFormGenerator.from_pretrained()


@pytest.fixture(scope="session")
def fitted(generator: ClosedFormGenerator, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    codec = generator.codec
    source = Source(codec.id, codec.weights_sha256, "latents", codec.latent_channels)
    latents = generator.denoiser.latents[:, :FRAMES]
    audio = codec.decode(latents).numpy()
    sae = build(SAEConfig("topk", codec.latent_channels, 32, k=8), source).requires_grad_(False)
    code = sae.encode_sparse(latents.flatten(0, 1))
    features = {
        "sae": SparseFeatures(code.indices, code.values, 32),
        "raw": DenseFeatures(latents.flatten(0, 1).contiguous()),
    }
    folder = tmp_path_factory.mktemp("artifacts")
    saelens.save(sae, folder / "sae")
    for name in ("pitch", "loudness", "timbre"):
        measured = properties.load(name)
        track = measured.measure_batch(audio, codec.sample_rate_hz, codec.frame_rate_hz, FRAMES)
        values = track.masked().ravel()
        groups = np.repeat(np.arange(len(audio)), FRAMES).astype(str)
        task = ProbeTask.of(name, measured.unit, measured.tolerance, measured.bins(values), values, groups)
        for kind, matrix in features.items():
            encoder = sae.sha256 if kind == "sae" else None
            save_probe(train_probe(matrix, task, source, encoder_sha256=encoder), folder / f"probes-{kind}")
    return Fitted(source, folder / "sae", folder / "probes-sae", folder / "probes-raw")
