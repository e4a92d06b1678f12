"""ReLU with an L1 penalty on the features (Bricken et al. 2023, "Towards Monosemanticity")."""

from __future__ import annotations

from torch import Tensor

from analysis.sae.base import SAE, Objective, squared_error


class StandardSAE(SAE):
    """``f = relu(x @ W_enc + b_enc)``; loss ``|x - x_hat|^2 + sparsity * |f|_1``."""

    needs = ("sparsity",)

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense code."""
        return self.pre_activations(x).relu()

    def objective(self, x: Tensor, dead: Tensor) -> Objective:
        """Evaluate a batch for training."""
        code = self.encode(x)
        residual = x - self.decode(code)
        loss = squared_error(residual) + (self.config.sparsity or 0) * code.sum(-1).mean()
        return Objective(loss, residual.detach(), (code > 0).sum(0))
