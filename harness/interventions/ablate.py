"""Remove SAE features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.sae.base import SAE
from harness.interventions.base import Edit, Moment
from harness.interventions.features import FeatureEdit, find_features
from harness.interventions.site import Site

MOST_ROUNDS = 64
MARGIN = 1e-3
"""Share by which a removal goes beyond zero, so that rounding does not leave a trace of the feature."""


@dataclass(frozen=True)
class Ablate(FeatureEdit):
    """Removes features until the SAE no longer sees them, where it saw any.

    Taking ``f @ W_dec`` away rarely brings the activation read afterwards to zero, because encoder and decoder rows are
    not exactly dual. So it is taken away again, ever less, until what the encoder reads is zero or below.
    """

    def change(self, f: Tensor) -> Tensor:
        """Return ``-f``: the first round."""
        return -f

    def prepare(self, site: Site) -> Edit:
        """Find the features' rows and columns."""
        sae, chosen = find_features(site, self.at, self.features)
        rows = sae.W_dec.detach()[chosen]

        def edit(value: Tensor, moment: Moment) -> Tensor:
            seen = (sae.encode(value)[..., chosen] > 0).any(-1)
            edited = torch.where(seen[..., None], _without(sae, value, chosen, rows), value)
            return value + moment.strength * (edited - value)

        return edit


def _without(sae: SAE, value: Tensor, chosen: Tensor, rows: Tensor) -> Tensor:
    """Move ``value`` along the features' directions until none of their pre-activations is above zero."""
    columns, bias = sae.W_enc.detach()[:, chosen], sae.b_enc.detach()[chosen]
    own = (columns * rows.T).sum(0).clamp_min(0.1)  # what one unit of a feature's direction adds to its own reading
    for _ in range(MOST_ROUNDS):
        read = value @ columns + bias
        if not bool((read > 0).any()):
            break
        value = value - ((1 + MARGIN) * read.clamp_min(0) / own + (read > 0) * 1e-6) @ rows
    return value
