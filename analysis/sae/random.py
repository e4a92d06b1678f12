"""The control: a dictionary that has learnt nothing about which directions matter."""

from __future__ import annotations

import torch

from analysis.sae.base import Revival
from analysis.sae.config import SAEConfig
from analysis.sae.topk import TopKSAE
from analysis.source import Source


class RandomSAE(TopKSAE):
    """A topk SAE whose features stay as they were drawn: random unit directions, biases 0.

    Frozen: ``W_enc`` and ``b_enc``, hence which features are active and how much. Trained: ``W_dec`` (rows of any norm)
    and ``b_dec``, a least-squares read-out of the frozen code, so that the control reconstructs as well as random
    features can. Nothing is revived.
    """

    unit_norm = False
    revival: Revival = "none"

    def __init__(self, config: SAEConfig, source: Source | None = None) -> None:
        super().__init__(config, source)
        self.W_enc.requires_grad_(False)
        self.b_enc.requires_grad_(False)

    @torch.no_grad()
    def rescale(self, gain: float) -> None:
        """Multiply what is decoded by ``gain``; the code stays."""
        self.W_dec.mul_(gain)
