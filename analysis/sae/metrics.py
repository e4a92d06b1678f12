"""How well an SAE reconstructs, and how its features are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analysis.sae.base import SAE
from analysis.sae.batches import Rows, read_blocks
from analysis.sae.config import SAEError

DENSE_ABOVE = 0.1
"""A feature active in more than this share of vectors counts as dense."""
HISTOGRAM_EDGES = np.linspace(-6.0, 0.0, 25)
"""Edges of the feature-density histogram, log10 of the share of vectors a feature is active in."""


@dataclass(frozen=True)
class SAEMetrics:
    """Figures of one SAE on one data set."""

    rows: int
    """Vectors it was measured on."""
    fvu: float
    """Fraction of variance unexplained: squared error / squared distance from these vectors' mean."""
    l0: float
    """Mean number of active features per vector."""
    cosine: float
    """Mean cosine similarity of x and x_hat, both relative to these vectors' mean."""
    frequency: np.ndarray
    """``[d_sae]`` float64: share of the vectors each feature is active in."""

    @property
    def explained_variance(self) -> float:
        """1 - fvu."""
        return 1 - self.fvu

    @property
    def dead(self) -> float:
        """Share of features that are never active."""
        return float((self.frequency == 0).mean())

    @property
    def dense(self) -> float:
        """Share of features active in more than ``DENSE_ABOVE`` of the vectors."""
        return float((self.frequency > DENSE_ABOVE).mean())

    def density_histogram(self) -> np.ndarray:
        """Count features per bin of ``HISTOGRAM_EDGES``; rarer ones fall into the first bin, dead ones into none."""
        alive = np.log10(self.frequency[self.frequency > 0])
        return np.histogram(np.maximum(alive, HISTOGRAM_EDGES[0]), HISTOGRAM_EDGES)[0]

    def to_json(self) -> dict[str, Any]:
        """Return all figures, with the histogram in place of single frequencies, as JSON-ready values."""
        return {
            "rows": self.rows,
            "fvu": self.fvu,
            "explained_variance": self.explained_variance,
            "l0": self.l0,
            "cosine": self.cosine,
            "dead": self.dead,
            "dense": self.dense,
            "density_histogram": {
                "log10_edges": HISTOGRAM_EDGES.tolist(),
                "features": self.density_histogram().tolist(),
            },
        }


@torch.no_grad()
def evaluate(sae: SAE, data: Rows) -> SAEMetrics:
    """Measure ``sae`` on ``data [N, d_in]`` in two passes of bounded memory (the first one for the mean).

    Raises ``SAEError`` when the data are empty, not finite, or all the same.
    """
    rows = data.shape[0]
    if not rows:
        raise SAEError("the data have no rows to measure on")
    mean = sum((block.double().sum(0) for _, block in read_blocks(data)), torch.zeros(())) / rows
    error = variance = cosine = 0.0
    active = torch.zeros(sae.config.d_sae, dtype=torch.int64)
    for _, x in read_blocks(data):
        code = sae.encode_sparse(x.to(sae.W_enc))
        x_hat = sae.decode(code).cpu().double() - mean
        centred = x.double() - mean
        error += float((centred - x_hat).square().sum())
        variance += float(centred.square().sum())
        cosine += float(torch.nn.functional.cosine_similarity(centred, x_hat).sum())
        active += torch.bincount(code.indices[code.values > 0].cpu(), minlength=len(active))
    if not 0 < variance < float("inf"):
        raise SAEError("the data have no finite variance to explain; look for NaN or constant rows")
    return SAEMetrics(
        rows=rows,
        fvu=error / variance,
        l0=float(active.sum()) / rows,
        cosine=cosine / rows,
        frequency=(active.double() / rows).numpy(),
    )
