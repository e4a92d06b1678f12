"""Which features a decode rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.attribution import attribute
from analysis.probes import Features, Probe

TOP = 8
"""Most features listed for a property."""


@dataclass(frozen=True)
class TopFeature:
    """One feature's part in the decode of a property."""

    feature: int
    """Index in the SAE, or the channel where the probe reads the latents themselves."""
    contribution: float
    """Mean over frames of what it adds to the log odds of the decoded class against the average class, in nats."""
    active: float
    """Share of the frames in which it is not zero."""
    speaks_for: int
    """Class to which it gives the largest weight."""
    f1: float | None
    """F1 score of this feature alone as a detector of that class in this sound; None where the class does not occur."""


def top_features(probe: Probe, features: Features, target: NDArray[np.int64]) -> tuple[TopFeature, ...]:
    """List the ``TOP`` features that contribute most to the decode of the frames that have a class, strongest first."""
    rows = np.flatnonzero(target >= 0)
    if not len(rows):
        return ()
    features = features.take(rows)
    weights = probe.at(1.0).weights.numpy().astype(np.float64)
    weights -= weights.mean(axis=1, keepdims=True)
    decoded = probe.probabilities(features).argmax(axis=1)
    entries = features.entries()
    added = entries.value * weights[entries.feature, decoded[entries.frame]]
    contribution = np.bincount(entries.feature, added, features.d_features) / len(rows)
    active = np.bincount(entries.feature, entries.value != 0, features.d_features) / len(rows)
    f1 = attribute(features, target[rows], weights.shape[1]).f1
    strongest = [int(i) for i in np.argsort(-contribution, kind="stable")[:TOP] if contribution[i] > 0]
    return tuple(
        TopFeature(
            i, float(contribution[i]), float(active[i]), best, None if np.isnan(f1[i, best]) else float(f1[i, best])
        )
        for i in strongest
        for best in [int(weights[i].argmax())]
    )
