"""The sparsity table of Paek et al. (arXiv 2510.23802): how sparse an SAE is, how faithful, and what probes read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.probes import ClassScore, FitConfig, Probe, ProbeTask, score_classes, train_probe
from analysis.properties.bins import Bins
from analysis.sae.base import SAE
from analysis.sae.metrics import evaluate
from harness.datasets.reader import Dataset
from harness.fitting.probes import Frames, encode, task_of

AMPLITUDE = "amplitude"
"""What the paper bins instead of a level in dB; read where ``loudness`` is asked for."""


@dataclass(frozen=True)
class Reading:
    """One probe of an SAE's features, scored on held-out files."""

    probe: Probe
    score: ClassScore
    majority: float
    """Share of the commonest class of the training files."""

    def to_json(self) -> dict[str, Any]:
        """Return the accuracy with its interval, and the majority."""
        return self.score.accuracy.to_json() | {"majority": self.majority}


def figures(sae: SAE, dataset: Dataset, split: str = "test") -> dict[str, Any]:
    """Size, sparsity and fidelity on held-out rows; dead features are counted on the training rows."""
    held_out, train = evaluate(sae, dataset.rows(split)), evaluate(sae, dataset.rows("train"))
    return {
        "architecture": sae.config.architecture,
        "d_sae": sae.config.d_sae,
        "l0": held_out.l0,
        "sparsity": 1 - held_out.l0 / sae.config.d_sae,
        "fvu": held_out.fvu,
        "dead": train.dead,
    }


def read_properties(
    sae: SAE | None, dataset: Dataset, frames: Frames, names: Sequence[str], config: FitConfig | None = None
) -> dict[str, Reading]:
    """Fit and score one probe a property on an SAE's features, or without one on the vectors themselves.

    Raises ``ValueError`` for a property that no training or test frame has.
    """
    (vectors,) = frames.vectors.values()
    features, readings = encode(sae, vectors), {}
    tasks = [task_of(dataset, frames, name) for name in names]
    for task in [*tasks, *(amplitude(task) for task in tasks if task.property == "loudness")]:
        encoder = None if sae is None else sae.sha256
        probe = train_probe(features, task, frames.source, encoder_sha256=encoder, config=config)
        test, shares = task.rows("test"), np.bincount(task.target[task.rows("train")])
        score = score_classes(probe.probabilities(features.take(test)), task.target[test], task.groups[test])
        readings[task.property] = Reading(probe, score, float(shares.max() / shares.sum()))
    return readings


def amplitude(loudness: ProbeTask) -> ProbeTask:
    """Turn levels in dB into linear ones: what the paper bins. Most frames then fall into few classes."""
    values = 10 ** (loudness.values / 20)
    bins = Bins.equal_width(values[loudness.split == "train"], loudness.bins.count)
    return replace(loudness, property=AMPLITUDE, unit="1", tolerance=np.inf, bins=bins, values=values)
