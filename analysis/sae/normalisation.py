"""One mean vector and one scale for a whole data set: what loud and quiet frames have between them stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.sae.batches import Rows, read_blocks
from analysis.sae.config import SAEError


@dataclass(frozen=True)
class Normalisation:
    """``normalised = (x - mean) * scale``, of mean 0 and, over all channels together, variance 1."""

    mean: Tensor
    """``[d_in]`` float32."""
    scale: float

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise ``x [..., d_in]``."""
        return (x - self.mean.to(x)) * self.scale


def measure_normalisation(data: Rows) -> Normalisation:
    """Read all of ``data [N, d_in]`` once; a sample would do until the day it does not.

    Raises ``SAEError`` naming the first row that is not finite, or when all rows are equal.
    """
    count, shift, total, squares = 0, None, torch.zeros(()), 0.0
    for start, block in read_blocks(data):
        bad = ~torch.isfinite(block).all(1)
        if bad.any():
            row = start + int(bad.nonzero()[0])
            raise SAEError(f"row {row} of the data holds NaN or infinite values; remove such rows before training")
        if shift is None:
            shift = block[0].double()
        centred = block.double() - shift
        count, total, squares = count + len(block), total + centred.sum(0), squares + float(centred.square().sum())
    if shift is None:
        raise SAEError("the data has no rows")
    mean = total / count
    variance = squares / count / len(shift) - float(mean.square().mean())
    if not variance > 0:
        raise SAEError(f"all {count} rows of the data are equal; there is nothing to learn")
    return Normalisation((mean + shift).float(), variance**-0.5)
