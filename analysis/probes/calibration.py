"""Calibration: whether a probe's stated confidence matches how often it is right."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax


def fit_temperature(logits: np.ndarray, target: np.ndarray) -> float:
    """Return the T that minimises the cross-entropy of ``softmax(logits / T)`` on held-out frames.

    Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599. ``logits`` ``[N, K]``, ``target`` ``[N]``.
    T lies in 0.05..20; frames of a class the probe never saw are left out, as no temperature can help them.
    """
    known = logits[np.arange(len(target)), target] > logits.max(axis=1) - 1e6
    if not known.any():
        return 1.0
    kept, rows, classes = logits[known].astype(np.float64), np.arange(known.sum()), target[known]

    def cross_entropy(log_t: float) -> float:
        return float(-log_softmax(kept * np.exp(-log_t), axis=1)[rows, classes].mean())

    return float(np.exp(minimize_scalar(cross_entropy, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def calibration_gaps(probabilities: np.ndarray, target: np.ndarray, bins: int = 15) -> np.ndarray:
    """Return confidence minus correctness in the confidence bin of each frame, ``[N, bins]``, zero in its other bins.

    The expected calibration error is the sum over bins of the absolute mean over frames.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == target
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.zeros((len(target), bins))
    gaps[np.arange(len(target)), which] = confidence - correct
    return gaps
