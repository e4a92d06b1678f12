"""Fitting linear readouts: softmax regression and ridge regression.

Both standardise the features inside the fit and return weights for the features as they come, so nothing but
``weights`` and ``bias`` has to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.probes.features import Features

NEVER = -1e9
"""Bias of a class without examples: its probability is exactly 0 and stays finite in every formula."""


@dataclass(frozen=True)
class FitConfig:
    """Settings of a probe fit."""

    l2: float = 1e-4
    """Half the weight of the squared (standardised) weights, beside a loss that is a mean over frames."""
    class_weight: Literal["balanced"] | None = None
    """``balanced`` gives each class that occurs the same total weight; None weighs every frame alike."""
    max_iterations: int = 200
    """Upper limit of L-BFGS iterations; the fit normally stops far earlier."""
    tolerance: float = 1e-6
    """The fit stops when an iteration lowers the loss by less."""

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise ValueError(f"l2 must be above 0 so that the best weights are unique; got {self.l2}")
        if self.class_weight not in (None, "balanced"):
            raise ValueError(f"class_weight must be None or 'balanced'; got {self.class_weight!r}")


@dataclass(frozen=True)
class Linear:
    """``logits = features @ weights + bias``."""

    weights: Tensor
    """``[F, K]`` float32."""
    bias: Tensor
    """``[K]`` float32."""

    def __call__(self, features: Features) -> Tensor:
        """Return ``[N, K]``."""
        return features.matmul(self.weights) + self.bias


def fit_softmax(features: Features, target: np.ndarray, n_classes: int, config: FitConfig | None = None) -> Linear:
    """Fit multinomial logistic regression by full-batch L-BFGS from zero: convex, so deterministic and seedless.

    Parameters
    ----------
    features
        N frames, all valid.
    target
        ``[N]`` integer classes in ``0..n_classes - 1``. Classes without examples get probability 0.

    Raises
    ------
    ValueError
        When the shapes differ, a class is out of range, or fewer than two classes occur.
    """
    config = config or FitConfig()
    counts = class_counts(target, n_classes, features.frames)
    present = np.flatnonzero(counts)
    if len(present) < 2:
        raise ValueError(
            f"a classifier needs examples of at least two classes; got {len(present)} in {features.frames} frames. "
            "Add files, or use wider bins"
        )
    device = features.device
    labels = torch.from_numpy(np.searchsorted(present, target)).to(device)
    emphasis = None
    if config.class_weight == "balanced":
        emphasis = torch.from_numpy(counts.sum() / (len(present) * counts[present])).float().to(device)
    mean, scale = (part.float() for part in _standardisation(features))
    weights = torch.zeros(features.d_features, len(present), device=device, requires_grad=True)
    bias = torch.zeros(len(present), device=device, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, bias],
        max_iter=config.max_iterations,
        max_eval=2 * config.max_iterations,
        tolerance_grad=config.tolerance,
        tolerance_change=config.tolerance,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        folded = _fold(weights, bias, mean, scale)
        value = cross_entropy(folded(features), labels, weight=emphasis) + config.l2 / 2 * (weights**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    folded = _fold(weights.detach(), bias.detach(), mean, scale)
    full = Linear(
        torch.zeros(features.d_features, n_classes, device=device), torch.full((n_classes,), NEVER, device=device)
    )
    full.weights[:, present] = folded.weights
    full.bias[present] = folded.bias
    return full


def fit_ridge(features: Features, target: np.ndarray, l2: float = 1e-4) -> Linear:
    """Fit ridge regression in closed form for targets ``[N]`` or ``[N, K]``.

    Solves ``(Z'Z / N + l2 I) w = Z'(y - mean(y)) / N`` for standardised features Z, in float64.
    """
    if not l2 > 0:
        raise ValueError(f"l2 must be above 0; got {l2}")
    wanted = torch.from_numpy(np.asarray(target, dtype=np.float64).reshape(len(target), -1)).to(features.device)
    if len(wanted) != features.frames or not bool(torch.isfinite(wanted).all()):
        raise ValueError(
            f"ridge targets must be finite, one per frame; got {len(wanted)} for {features.frames} frames. "
            "Drop invalid frames first"
        )
    mean, scale = _standardisation(features)
    centre = wanted.mean(0)
    n = features.frames
    covariance = (features.gram() / n - torch.outer(mean, mean)) * torch.outer(scale, scale)
    covariance.diagonal().add_(l2)
    cross = features.transposed_matmul(wanted - centre) * scale[:, None] / n
    solution = torch.linalg.solve(covariance, cross) * scale[:, None]
    return Linear(solution.float(), (centre - mean @ solution).float())


def class_counts(target: np.ndarray, n_classes: int, frames: int) -> np.ndarray:
    """Count the examples of each class, ``[K]``. Raises ``ValueError`` on a wrong length or class."""
    if target.shape != (frames,) or not np.issubdtype(target.dtype, np.integer):
        raise ValueError(f"target must be integer classes [{frames}]; got {target.dtype} {target.shape}")
    if frames and not 0 <= target.min() <= target.max() < n_classes:
        raise ValueError(
            f"classes must lie in 0..{n_classes - 1}; got {target.min()}..{target.max()}. "
            "Drop frames without a label (unvoiced, silent) first"
        )
    return np.bincount(target, minlength=n_classes)


def _standardisation(features: Features) -> tuple[Tensor, Tensor]:
    """Mean and inverse deviation per feature, float64; a feature that never varies is left out by a scale of 0."""
    mean, deviation = features.moments()
    varies = deviation > 1e-6 * deviation.max().clamp_min(1e-30)
    return mean, torch.where(varies, 1 / deviation.clamp_min(1e-30), torch.zeros_like(deviation))


def _fold(weights: Tensor, bias: Tensor, mean: Tensor, scale: Tensor) -> Linear:
    """Turn weights of standardised features into weights of the features as they are."""
    folded = weights * scale[:, None]
    return Linear(folded, bias - mean @ folded)
