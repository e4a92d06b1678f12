"""Supervised training: the code must also reconstruct labels of the vectors, which the encoder never sees.

The labels are further channels that the dictionary explains, as in discriminative K-SVD (Zhang and Li, CVPR 2010; for
the field see the review by Gangeh et al., arXiv 1502.05928). Here codes are made of the vectors alone, in training as
later, so what remains once the labels' channels are cut off is an ordinary SAE of the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from analysis.sae.base import SAE, build
from analysis.sae.batches import Rows
from analysis.sae.config import SAEConfig, SAEError
from analysis.source import Source


@dataclass(frozen=True)
class Supervision:
    """One label that the code must also reconstruct.

    Raises
    ------
    SAEError
        Naming the label when a row has no finite value of it, when all have the same, or for an impossible weight.
    """

    name: str
    """What messages and records call it."""
    values: ArrayLike
    """``[N]`` or ``[N, D]``, one row per vector."""
    weight: float
    """Deviation each of its channels is given, where that of the vectors' channels is 1."""

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise SAEError(f"the weight of {self.name} must be a positive number; got {self.weight}")
        columns = self._columns()
        if missing := int((~np.isfinite(columns)).any(1).sum()):
            raise SAEError(
                f"{self.name} has no value in {missing} of {len(columns)} rows (NaN or infinite); "
                "only a label that every row has can supervise"
            )
        if (columns == columns[:1]).all(0).any():
            raise SAEError(f"{self.name} is the same in all {len(columns)} rows; there is nothing to learn from it")

    def channels(self) -> NDArray[np.float32]:
        """Return the channels ``[N, D]``, of mean 0 and deviation ``weight``."""
        columns = self._columns()
        channels: NDArray[np.float64] = self.weight * (columns - columns.mean(0)) / columns.std(0)
        return channels.astype(np.float32)

    def facts(self) -> dict[str, object]:
        """Return what tells it from another, as JSON-ready values."""
        columns = self._columns()
        return {
            "name": self.name,
            "weight": self.weight,
            "mean": columns.mean(0).tolist(),
            "deviation": columns.std(0).tolist(),
        }

    def _columns(self) -> NDArray[np.float64]:
        values = np.asarray(self.values, dtype=np.float64)
        return values.reshape(len(values), -1)


class SupervisedRows:
    """Vectors ``[N, d_in]`` with the channels of labels after their own: ``[N, d_in + unseen]``, read when sliced."""

    def __init__(self, data: Rows, supervision: Sequence[Supervision]) -> None:
        for one in supervision:
            if len(np.asarray(one.values)) != data.shape[0]:
                raise SAEError(f"{one.name} has {len(np.asarray(one.values))} rows, the data {data.shape[0]}")
        empty = np.zeros((data.shape[0], 0), np.float32)
        self._data = data
        self._channels = np.concatenate([empty, *(one.channels() for one in supervision)], axis=1)
        self.unseen = self._channels.shape[1]
        """Channels of labels."""
        self.shape = (data.shape[0], data.shape[1] + self.unseen)
        """``(N, d_in + unseen)``."""

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Read a slice of step 1."""
        return np.concatenate([self._data[rows], self._channels[rows]], axis=1, dtype=np.float32)


def with_labels(config: SAEConfig, unseen: int) -> SAE:
    """Make the SAE that is trained in place of the one of ``config``: ``unseen`` channels wider, and blind to them."""
    sae = build(replace(config, d_in=config.d_in + unseen))
    blind(sae.W_enc, unseen)
    return sae


@torch.no_grad()
def blind(W_enc: Tensor, unseen: int) -> None:
    """Set the last ``unseen`` rows of an encoder, and of its gradient, to 0: it does not see those channels."""
    for rows in (W_enc, W_enc.grad):
        if rows is not None:
            rows[len(rows) - unseen :] = 0


@torch.no_grad()
def without_labels(sae: SAE, config: SAEConfig, source: Source | None) -> SAE:
    """Return the SAE of ``config`` that does on vectors what ``sae``, blind to the channels after them, does there."""
    weights = sae.state_dict()
    weights["W_enc"] = weights["W_enc"][: config.d_in]
    weights["W_dec"] = weights["W_dec"][:, : config.d_in]
    weights["b_dec"] = weights["b_dec"][: config.d_in]
    other = build(config, source)
    other.load_state_dict(weights)
    return other
