"""The SAE and probes of a generator's codec: those a user names, or the shipped ones."""

from __future__ import annotations

from pathlib import Path

from analysis.source import Source
from generators.base import Generator
from harness.decoding.artifacts import Artifacts, read_artifacts, require_shipped


def find_artifacts(generator: Generator, sae: Path | None = None, probes: Path | None = None) -> Artifacts:
    """Load probes and the SAE they read for a generator's latents. Raises ``InputError`` where they do not fit."""
    codec = generator.codec
    source = Source(codec.id, codec.weights_sha256, "latents", codec.latent_channels)
    return require_shipped(source) if probes is None else read_artifacts(source, probes, sae)
