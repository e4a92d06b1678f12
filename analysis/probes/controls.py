"""The rows that stand beside every probe score, without which an accuracy says little.

- majority: always answer with the class shares of the training files;
- shuffled labels: the same fit on labels cut loose from the features (whole files swapped);
- best k features: the same fit on few features, which tells how concentrated the property is;
- the same fit on other features of the same frames (raw latents, the codes of a random dictionary).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analysis.probes.features import Features
from analysis.probes.linear import FitConfig, class_counts, fit_softmax
from analysis.probes.probe import Probe
from analysis.probes.scores import ClassScore, score_classes
from analysis.probes.splits import shuffle_labels
from analysis.probes.task import ProbeTask

BEST_K = (1, 2, 5, 10)


@dataclass(frozen=True)
class ControlledScore:
    """A probe's test score and all its controls, on the same test frames."""

    probe: ClassScore
    """The probe."""
    majority: ClassScore
    """Class shares of the training files, whatever the features."""
    shuffled: ClassScore
    """The same fit on shuffled labels."""
    best_k: Mapping[int, ClassScore]
    """The same fit on the k features with the highest F ratio."""
    beside: Mapping[str, ClassScore]
    """The same fit on other features of the same frames, by name."""

    def to_json(self) -> dict[str, Any]:
        """Return all rows as JSON-ready values."""
        rows = {"probe": self.probe, "majority": self.majority, "shuffled": self.shuffled}
        rows |= {f"best_{k}": score for k, score in self.best_k.items()}
        return {name: score.to_json() for name, score in (rows | dict(self.beside)).items()}


def score_with_controls(
    probe: Probe,
    features: Features,
    task: ProbeTask,
    *,
    beside: Mapping[str, Features] | None = None,
    best_k: Sequence[int] = BEST_K,
    config: FitConfig | None = None,
    t: float = 1.0,
    seed: int = 0,
) -> ControlledScore:
    """Score ``probe`` on the test files at time t and fit and score its controls.

    ``features`` are those the probe was trained on (all N frames of the task); ``beside`` holds further features of the
    same frames, such as ``{"raw latent": ..., "random dictionary": ...}``. ``config`` is the probe's own.
    """
    train, test = task.rows("train"), task.rows("test")
    labels, n_classes = task.target[train], task.bins.count
    ranked = np.argsort(-f_ratios(features.take(train), labels, n_classes), kind="stable")
    shuffled = shuffle_labels(labels, task.groups[train], seed)

    def fit_and_score(matrix: Features, fit_labels: np.ndarray) -> ClassScore:
        linear = fit_softmax(matrix.take(train), fit_labels, n_classes, config)
        return score(torch.softmax(linear(matrix.take(test)), dim=1).cpu().numpy())

    def score(probabilities: np.ndarray) -> ClassScore:
        return score_classes(probabilities, task.target[test], task.groups[test], seed=seed)

    shares = class_counts(labels, n_classes, len(labels)) / len(labels)
    return ControlledScore(
        probe=score(probe.probabilities(features.take(test), t)),
        majority=score(np.tile(shares, (len(test), 1))),
        shuffled=fit_and_score(features, shuffled),
        best_k={k: fit_and_score(features.columns(ranked[:k]), labels) for k in best_k if k <= features.d_features},
        beside={name: fit_and_score(matrix, labels) for name, matrix in (beside or {}).items()},
    )


def f_ratios(features: Features, target: np.ndarray, n_classes: int) -> np.ndarray:
    """Variance between classes over variance within, per feature, ``[F]``: how well it alone tells classes apart.

    The F statistic of a one-way analysis of variance; 0 for a feature that never varies.
    """
    counts = class_counts(target, n_classes, features.frames)
    one_hot = torch.from_numpy(np.eye(n_classes)[target]).to(features.device)
    sums = features.transposed_matmul(one_hot).cpu().numpy()
    squares = features.sums_of_squares().cpu().numpy()
    occurs = counts > 0
    total = sums.sum(axis=1) ** 2 / features.frames
    between = (sums[:, occurs] ** 2 / counts[occurs]).sum(axis=1) - total
    within = squares - total - between
    freedom = max(features.frames - occurs.sum(), 1) / max(occurs.sum() - 1, 1)
    varies = squares - total > 1e-6 * np.maximum(squares, 1e-30)
    return np.where(varies, between * freedom / np.maximum(within, 1e-9 * np.maximum(squares, 1e-30)), 0.0)
