"""ReLU, then RMS normalisation of the code (Paek et al., arXiv 2510.23802)."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from analysis.sae.base import SAE, Objective, squared_error
from analysis.sae.normalisation import Normalisation

_EPSILON = 1e-6
"""Keeps the norm of an all-zero code from dividing by zero."""


class RMSSAE(SAE):
    """``h = relu(x @ W_enc + b_enc)``, ``f = h / rms(h)``; loss ``|x - x_hat|^2 + sparsity * |h|_1``.

    Every code has the same norm, so the rows of ``W_dec`` carry the scale and are not held at norm 1.
    """

    needs = ("sparsity",)
    unit_norm = False

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense code."""
        return _rms_normalised(self.pre_activations(x).relu())

    def objective(self, x: Tensor, dead: Tensor) -> Objective:
        """Evaluate a batch for training."""
        hidden = self.pre_activations(x).relu()
        residual = x - self.decode(_rms_normalised(hidden))
        loss = squared_error(residual) + (self.config.sparsity or 0) * hidden.sum(-1).mean()
        return Objective(loss, residual.detach(), (hidden > 0).sum(0))

    @torch.no_grad()
    def rescale(self, gain: float) -> None:
        """Multiply what is decoded by ``gain``."""
        self.W_dec.mul_(gain)

    @torch.no_grad()
    def folded(self, normalisation: Normalisation) -> Self:
        """Return the SAE for raw vectors; the code stays as it is and ``W_dec`` takes the scale."""
        other = super().folded(normalisation)
        other.W_enc.mul_(normalisation.scale)
        other.b_enc.mul_(normalisation.scale)
        other.W_dec.div_(normalisation.scale)
        return other


def _rms_normalised(hidden: Tensor) -> Tensor:
    return hidden * (hidden.square().mean(-1, keepdim=True) + _EPSILON).rsqrt()
