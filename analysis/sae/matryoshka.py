"""Nested dictionaries: every prefix must reconstruct on its own (Bussmann et al., arXiv 2503.17547)."""

from __future__ import annotations

import torch
from torch import Tensor

from analysis.sae.base import squared_error
from analysis.sae.batch_topk import BatchTopKSAE
from analysis.sae.kernels import Support, decode_at


class MatryoshkaSAE(BatchTopKSAE):
    """Batch-topk codes; the loss is the mean squared error over all prefixes of the dictionary.

    Early features learn what is common, later ones detail, and no feature can rely on a later one to correct it.
    """

    takes = ("prefixes",)

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Sizes of the nested dictionaries, ascending; the last one is d_sae."""
        if self.config.prefixes is not None:
            return self.config.prefixes
        return tuple(sorted({max(self.config.d_sae // part, 1) for part in (16, 8, 4, 2, 1)}))

    def reconstruction(self, x: Tensor, values: Tensor, support: Support) -> tuple[Tensor, Tensor]:
        """Return the mean loss over prefixes, and the residual of the whole dictionary."""
        bounds = torch.tensor(self.prefixes, device=x.device)
        shell = torch.bucketize(support.features, bounds, right=True)
        residual, losses = x - self.b_dec, []
        for i in range(len(self.prefixes)):
            residual = residual - decode_at(values * (shell == i), self.W_dec, support)
            losses.append(squared_error(residual))
        return torch.stack(losses).mean(), residual.detach()
