"""The k largest pre-activations of each vector (Gao et al., arXiv 2406.04093), on the fast path of ``kernels``."""

from __future__ import annotations

from torch import Tensor

from analysis.sae.auxk import auxk_loss
from analysis.sae.base import SAE, Objective, Revival, SparseCode, squared_error
from analysis.sae.kernels import Selection, decode_at, encode_at, select_top_k


class TopKSAE(SAE):
    """``f = relu(top_k(x @ W_enc + b_enc))``; loss ``|x - x_hat|^2`` and AuxK for dead features."""

    needs = ("k",)
    revival: Revival = "auxk"

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense code."""
        return self.encode_sparse(x).to_dense(self.config.d_sae)

    def encode_sparse(self, x: Tensor) -> SparseCode:
        """Return the code as indices and values; of k values, those that would be negative are 0."""
        self.check_width(x)
        vectors = x.reshape(-1, self.config.d_in)
        selection = self._select(vectors)
        values = encode_at(vectors, self.W_enc, self.b_enc, selection).relu()
        shape = (*x.shape[:-1], self.config.k or 0)
        return SparseCode(selection.support.features.reshape(shape), values.reshape(shape))

    def objective(self, x: Tensor, dead: Tensor) -> Objective:
        """Evaluate a batch for training."""
        selection = self._select(x)
        values = encode_at(x, self.W_enc, self.b_enc, selection).relu()
        residual = x - decode_at(values, self.W_dec, selection.support) - self.b_dec
        loss = squared_error(residual) + auxk_loss(self, x, residual.detach(), dead)
        return Objective(loss, residual.detach(), selection.support.count_active(values.detach()))

    def _select(self, vectors: Tensor) -> Selection:
        return select_top_k(vectors, self.W_enc, self.b_enc, self.config.k or 0)
