"""How far latents lie from those that a codec's decoder knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

SHRINKAGE = 0.1
"""Weight of the diagonal in the covariance, so that few frames still give an invertible one."""


@dataclass(frozen=True)
class LatentDistribution:
    """Mean and covariance of latent frames. C channels."""

    mean: npt.NDArray[np.float64]
    """``[C]``."""
    precision: npt.NDArray[np.float64]
    """``[C, C]`` inverse of the shrunk covariance."""

    @classmethod
    def of(cls, latents: npt.NDArray[np.floating]) -> Self:
        """Fit frames ``[N, C]``, N >= 2. Raises ``ValueError`` for fewer, or numbers that are not finite."""
        if latents.ndim != 2 or len(latents) < 2 or not np.isfinite(latents).all():
            raise ValueError(f"latents must be two or more finite frames [frames, channels]; got {latents.shape}")
        covariance = np.cov(latents.astype(np.float64), rowvar=False).reshape(latents.shape[1], -1)
        variances = np.diag(covariance)
        least = 1e-6 * max(variances.max(), np.finfo(np.float64).tiny)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.maximum(variances, least))
        return cls(latents.astype(np.float64).mean(axis=0), np.asarray(np.linalg.inv(shrunk), np.float64))

    def distance(self, latents: npt.NDArray[np.floating]) -> float:
        """Root mean square Mahalanobis distance of frames ``[T, C]`` a channel: about 1 for such as were fitted."""
        apart = latents.astype(np.float64) - self.mean
        squares = np.einsum("tc,cd,td->t", apart, self.precision, apart)
        return float(np.sqrt(squares.mean() / len(self.mean)))
