"""A learnt threshold for every feature (Rajamanoharan et al., arXiv 2407.14435)."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn

from analysis.sae.base import SAE, Objective, squared_error
from analysis.sae.config import SAEConfig
from analysis.source import Source

_BANDWIDTH = 0.1
"""Width of the rectangle through which thresholds get a gradient, for data of unit variance."""


class JumpReLUSAE(SAE):
    """``f = z * (z > threshold)``, ``z = relu(x @ W_enc + b_enc)``; loss below.

    The loss is ``|x - x_hat|^2 + sparsity * d_in * (l0 / k - 1)^2``: the paper's variant that aims at a mean of k
    active features; d_in is the squared length of the data. Thresholds are learnt by the paper's straight-through
    estimators (equations 11 and 12). ``sparsity`` defaults to 1.
    """

    needs = ("k",)
    takes = ("sparsity",)

    threshold: nn.Parameter
    """``[d_sae]``; what counts is its positive part."""

    def __init__(self, config: SAEConfig, source: Source | None = None) -> None:
        super().__init__(config, source)
        # Pre-activations start about normal with variance 1; this lets some 2 k of them through.
        share = min(2 * (config.k or 1) / config.d_sae, 0.5)
        self.threshold = nn.Parameter(torch.full((config.d_sae,), NormalDist().inv_cdf(1 - share)))

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense code."""
        return _jump(self.pre_activations(x), self.threshold)

    def objective(self, x: Tensor, dead: Tensor) -> Objective:
        """Evaluate a batch for training."""
        pre = self.pre_activations(x)
        code = _jump(pre, self.threshold)
        active: Tensor = _Step.apply(pre, self.threshold.relu())  # type: ignore[no-untyped-call]
        residual = x - self.decode(code)
        excess = active.sum(-1).mean() / (self.config.k or 1) - 1
        weight = 1.0 if self.config.sparsity is None else self.config.sparsity
        loss = squared_error(residual) + weight * self.config.d_in * excess.square()
        return Objective(loss, residual.detach(), (code > 0).sum(0))

    @torch.no_grad()
    def revive(self, dead: Tensor, directions: Tensor) -> None:
        """Point dead features at ``directions``, with thresholds they pass now and then."""
        super().revive(dead, directions)
        # Pre-activations of data of unit variance deviate by about the norm of the encoder's column.
        self.threshold[dead] = 2 * self.W_enc[:, dead].norm(dim=0)


def _jump(pre: Tensor, threshold: Tensor) -> Tensor:
    code: Tensor = _Jump.apply(pre, threshold.relu())  # type: ignore[no-untyped-call]
    return code


def _near(pre: Tensor, threshold: Tensor) -> Tensor:
    """Rectangle kernel of the estimators, divided by its width."""
    return ((pre - threshold).abs() < _BANDWIDTH / 2) / _BANDWIDTH


class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        return pre * (pre > threshold)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        pre, threshold = ctx.saved_tensors
        to_threshold = -threshold * (_near(pre, threshold) * grad).reshape(-1, len(threshold)).sum(0)
        return grad * (pre > threshold), to_threshold


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        return (pre > threshold).to(pre)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        pre, threshold = ctx.saved_tensors
        return None, -(_near(pre, threshold) * grad).reshape(-1, len(threshold)).sum(0)
