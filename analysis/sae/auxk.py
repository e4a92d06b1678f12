"""AuxK: dead features come back by learning what the live ones leave over (Gao et al., arXiv 2406.04093)."""

from __future__ import annotations

from torch import Tensor

from analysis.sae.base import SAE, squared_error
from analysis.sae.kernels import Selection, Support, decode_at, encode_at, select_top_k

_WEIGHT = 1 / 32
"""Weight of the auxiliary loss, appendix A.2 of the paper."""


def auxk_loss(sae: SAE, x: Tensor, residual: Tensor, dead: Tensor) -> Tensor:
    """Squared error of predicting ``residual`` by the d_in / 2 most active dead features, weighted; 0 if none is dead.

    ``x`` and ``residual`` are ``[B, d_in]`` without gradient, ``dead [d_sae]`` is a mask. Few dead features weigh less.
    """
    chosen = dead.nonzero().flatten()
    wanted = max(sae.config.d_in // 2, 1)
    k = min(wanted, len(chosen))
    if k == 0:
        return x.new_zeros(())
    among = select_top_k(x, sae.W_enc[:, chosen], sae.b_enc[chosen], k)
    support = Support.rectangular(chosen[among.support.features].reshape(len(x), k), sae.config.d_sae)
    values = encode_at(x, sae.W_enc, sae.b_enc, Selection(among.values, support))
    # Rectified, but with the gradient of the unrectified value: a feature below zero has no other way up.
    rectified = values + (values.relu() - values).detach()
    predicted = decode_at(rectified, sae.W_dec, support)
    return _WEIGHT * (k / wanted) * squared_error(residual - predicted)
