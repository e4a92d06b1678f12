"""SAEs of a study: trained once, and taken up where an interrupted study left them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from harness.datasets.reader import Dataset
from harness.fitting.saes import CHECKPOINT, SUMMARY, train_saes


def train_once(dataset: Dataset, group: Sequence[SAEConfig], folder: Path, plan: TrainConfig, device: str) -> None:
    """Train a group of SAEs into ``folder`` unless that is done; what was stopped before a checkpoint begins anew."""
    if not (folder / SUMMARY).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        train_saes(dataset, group, folder, plan, device=device, force=not (folder / CHECKPOINT).is_file())
