"""The B * k largest activations of a batch, and one threshold afterwards (Bussmann et al., arXiv 2412.06410)."""

from __future__ import annotations

import torch
from torch import Tensor

from analysis.sae.auxk import auxk_loss
from analysis.sae.base import SAE, Objective, squared_error
from analysis.sae.config import SAEConfig
from analysis.sae.kernels import Support, decode_at, encode_at, select_batch_top_k
from analysis.source import Source

_MEMORY = 0.9
"""Weight of the past in the running mean of the smallest activation of a batch."""


class BatchTopKSAE(SAE):
    """Training shares B * k active features among the B vectors of a batch; ``encode`` keeps what exceeds a threshold.

    The threshold is a running mean of the smallest activation that made it into a batch, the same for all features, so
    that a vector's code does not depend on its neighbours. Loss and AuxK as for topk.
    """

    needs = ("k",)
    revival = "auxk"
    threshold: Tensor
    """``[d_sae]``, all equal."""

    def __init__(self, config: SAEConfig, source: Source | None = None) -> None:
        super().__init__(config, source)
        self.register_buffer("threshold", torch.zeros(config.d_sae))

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense code."""
        pre = self.pre_activations(x)
        return pre.relu() * (pre > self.threshold)

    def objective(self, x: Tensor, dead: Tensor) -> Objective:
        """Evaluate a batch for training, and move the threshold."""
        selection = select_batch_top_k(x, self.W_enc, self.b_enc, self.config.k or 0)
        values = encode_at(x, self.W_enc, self.b_enc, selection)
        self._move_threshold(selection.values)
        loss, residual = self.reconstruction(x, values, selection.support)
        loss = loss + auxk_loss(self, x, residual, dead)
        return Objective(loss, residual, selection.support.count_active(selection.values))

    def reconstruction(self, x: Tensor, values: Tensor, support: Support) -> tuple[Tensor, Tensor]:
        """Return the loss of reconstructing ``x [B, d_in]`` and the residual, without gradient."""
        residual = x - decode_at(values, self.W_dec, support) - self.b_dec
        return squared_error(residual), residual.detach()

    @torch.no_grad()
    def _move_threshold(self, active: Tensor) -> None:
        if not len(active):
            return
        smallest = active.min()
        first = (self.threshold == 0).all()
        self.threshold.copy_(torch.where(first, smallest, _MEMORY * self.threshold + (1 - _MEMORY) * smallest))
