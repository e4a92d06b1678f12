"""Feature matrices that probes are fitted on: dense ``[N, F]``, or the codes of a top-k SAE kept sparse.

N frames, F features, k active entries a frame, K columns of a weight matrix. Both kinds offer the same few products, so
every solver is written once. The sparse products are gathers in both directions: no ``[N, F]`` array is ever made, and
the result does not depend on thread timing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn.functional import embedding_bag


class Entries(NamedTuple):
    """The stored entries of a feature matrix, sorted by feature, then by frame."""

    frame: np.ndarray
    """``[E]`` int64."""
    feature: np.ndarray
    """``[E]`` int64, ascending."""
    value: np.ndarray
    """``[E]`` float32."""


class Features(ABC):
    """A matrix of N frames by F features."""

    @property
    @abstractmethod
    def frames(self) -> int:
        """N."""

    @property
    @abstractmethod
    def d_features(self) -> int:
        """F."""

    @abstractmethod
    def take(self, rows: np.ndarray) -> Self:
        """Return the frames ``rows``: a boolean mask ``[N]`` or indices."""

    @abstractmethod
    def columns(self, chosen: np.ndarray) -> DenseFeatures:
        """Return the features ``chosen`` as a dense matrix ``[N, len(chosen)]``."""

    @abstractmethod
    def matmul(self, weights: Tensor) -> Tensor:
        """Return ``X @ weights`` ``[N, K]`` for ``weights`` ``[F, K]``; differentiable in the weights."""

    @abstractmethod
    def transposed_matmul(self, rows: Tensor) -> Tensor:
        """Return ``X.T @ rows`` ``[F, K]`` for ``rows`` ``[N, K]``, computed in the type of ``rows``."""

    @abstractmethod
    def gram(self) -> Tensor:
        """Return ``X.T @ X`` ``[F, F]`` in float64."""

    @abstractmethod
    def sums_of_squares(self) -> Tensor:
        """Return the sum of each feature's squares, ``[F]`` float64."""

    @abstractmethod
    def entries(self) -> Entries:
        """Return the stored entries (all of them when dense), on the CPU."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the numbers are."""

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each feature, ``[F]`` each, float64."""
        ones = torch.ones(self.frames, 1, dtype=torch.float64, device=self.device)
        mean = self.transposed_matmul(ones)[:, 0] / self.frames
        return mean, (self.sums_of_squares() / self.frames - mean**2).clamp_min(0).sqrt()


@dataclass(frozen=True)
class DenseFeatures(Features):
    """Raw latents, hidden states, or any other dense features."""

    values: Tensor
    """``[N, F]`` float32."""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype != torch.float32:
            raise ValueError(
                f"dense features must be float32 [frames, features]; got {self.values.dtype} {tuple(self.values.shape)}"
            )
        object.__setattr__(self, "values", _constant(self.values))

    @property
    def frames(self) -> int:
        """N."""
        return len(self.values)

    @property
    def d_features(self) -> int:
        """F."""
        return self.values.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the numbers are."""
        return self.values.device

    def take(self, rows: np.ndarray) -> Self:
        """Return the frames ``rows``."""
        return type(self)(self.values[torch.from_numpy(rows).to(self.device)])

    def columns(self, chosen: np.ndarray) -> DenseFeatures:
        """Return some features."""
        return DenseFeatures(self.values[:, torch.from_numpy(chosen).to(self.device)])

    def matmul(self, weights: Tensor) -> Tensor:
        """Return ``X @ weights``."""
        return self.values @ weights

    def transposed_matmul(self, rows: Tensor) -> Tensor:
        """Return ``X.T @ rows``."""
        return self.values.to(rows.dtype).T @ rows

    def gram(self) -> Tensor:
        """Return ``X.T @ X``."""
        values = self.values.double()
        return values.T @ values

    def sums_of_squares(self) -> Tensor:
        """Return the sum of each feature's squares."""
        return self.values.double().square().sum(0)

    def entries(self) -> Entries:
        """Return all entries."""
        values = self.values.cpu().numpy()
        feature, frame = np.divmod(np.arange(values.size), len(values))
        return Entries(frame, feature, values.T.ravel())


@dataclass(frozen=True)
class SparseFeatures(Features):
    """SAE codes as ``(indices, values)``: what is not listed is zero."""

    indices: Tensor
    """``[N, k]`` integer, feature of each active entry."""
    values: Tensor
    """``[N, k]`` float32; a padded entry has value 0."""
    d_sae: int
    """F."""

    def __post_init__(self) -> None:
        if self.indices.shape != self.values.shape or self.indices.ndim != 2 or self.values.dtype != torch.float32:
            raise ValueError(
                "sparse features must be integer indices and float32 values of one shape [frames, k]; got "
                f"{self.indices.dtype} {tuple(self.indices.shape)} and {self.values.dtype} {tuple(self.values.shape)}"
            )
        if self.indices.numel() and not 0 <= int(self.indices.min()) <= int(self.indices.max()) < self.d_sae:
            raise ValueError(f"feature indices must lie in 0..{self.d_sae - 1}; got {int(self.indices.max())}")
        object.__setattr__(self, "values", _constant(self.values))

    @property
    def frames(self) -> int:
        """N."""
        return len(self.values)

    @property
    def d_features(self) -> int:
        """F."""
        return self.d_sae

    @property
    def device(self) -> torch.device:
        """Where the numbers are."""
        return self.values.device

    def take(self, rows: np.ndarray) -> Self:
        """Return the frames ``rows``."""
        chosen = torch.from_numpy(rows).to(self.device)
        return type(self)(self.indices[chosen], self.values[chosen], self.d_sae)

    def columns(self, chosen: np.ndarray) -> DenseFeatures:
        """Return some features."""
        picker = torch.zeros(self.d_sae, len(chosen), device=self.device)
        picker[torch.from_numpy(chosen).to(self.device), torch.arange(len(chosen), device=self.device)] = 1
        return DenseFeatures(self.matmul(picker))

    def matmul(self, weights: Tensor) -> Tensor:
        """Return ``X @ weights``."""
        product: Tensor = _SparseMatmul.apply(weights, self)  # type: ignore[no-untyped-call]
        return product

    def transposed_matmul(self, rows: Tensor) -> Tensor:
        """Return ``X.T @ rows``."""
        frame, values, offsets = self._by_feature
        weights = values.to(rows.dtype)
        return embedding_bag(frame, rows.contiguous(), offsets, per_sample_weights=weights, mode="sum")

    def gram(self) -> Tensor:
        """Return ``X.T @ X``."""
        starts = np.arange(0, self.values.numel() + 1, self.values.shape[1])
        parts = (self.values.double().cpu().numpy().ravel(), self.indices.cpu().numpy().ravel(), starts)
        matrix = sparse.csr_matrix(parts, shape=(self.frames, self.d_sae))
        return torch.from_numpy((matrix.T @ matrix).toarray()).to(self.device)

    def sums_of_squares(self) -> Tensor:
        """Return the sum of each feature's squares."""
        _, values, offsets = self._by_feature
        ones = torch.ones(len(values), 1, dtype=torch.float64, device=self.device)
        places = torch.arange(len(values), device=self.device)
        squares = values.double().square()
        return embedding_bag(places, ones, offsets, per_sample_weights=squares, mode="sum")[:, 0]

    def entries(self) -> Entries:
        """Return the entries that are not zero."""
        frame, values, offsets = (part.cpu().numpy() for part in self._by_feature)
        counts = np.diff(offsets, append=len(frame))
        feature = np.repeat(np.arange(self.d_sae), counts)
        active = values != 0
        return Entries(frame[active].astype(np.int64), feature[active], values[active])

    @cached_property
    def _by_feature(self) -> tuple[Tensor, Tensor, Tensor]:
        """Frames and values of all entries sorted by feature, and where each feature starts."""
        flat = self.indices.reshape(-1).long()
        order = torch.argsort(flat, stable=True)
        counts = torch.bincount(flat, minlength=self.d_sae)
        offsets = counts.cumsum(0) - counts
        frame = torch.div(order, self.values.shape[1], rounding_mode="floor")
        return frame, self.values.reshape(-1)[order], offsets


class _SparseMatmul(torch.autograd.Function):
    """``X @ weights`` whose gradient is again a gather, not a scatter: fast on CPUs, deterministic on GPUs."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, features: SparseFeatures) -> Tensor:
        ctx.features = features
        indices = features.indices.to(torch.int32 if features.indices.device.type == "cpu" else torch.int64)
        return embedding_bag(indices, weights.contiguous(), per_sample_weights=features.values, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return ctx.features.transposed_matmul(gradients[0]), None


def _constant(values: Tensor) -> Tensor:
    """Cut the values loose from the SAE that computed them; refuse NaN."""
    if not bool(torch.isfinite(values).all()):
        raise ValueError("features hold NaN or infinite values; drop those frames or repair the latents first")
    return values.detach()
