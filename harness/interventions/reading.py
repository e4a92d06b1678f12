"""What a probe says of the tensor at hand, while generating."""

from __future__ import annotations

import torch
from torch import Tensor

from analysis.probes import Probe
from harness.errors import InputError
from harness.interventions.site import Readers


class ProbeReader:
    """Reads a property off clean estimates ``[B, T, C]`` by its probe, through the SAE where the probe needs one."""

    def __init__(self, probe: Probe, site: Readers) -> None:
        if probe.info.bins is None:
            raise InputError(f"the {probe.info.property} probe is a regression; steering needs one with classes")
        linear = probe.at(1.0)
        self._weights, self._bias = linear.weights.to(site.device), linear.bias.to(site.device)
        self._centres = torch.from_numpy(probe.info.bins.centres).float().to(site.device)
        self._sae = None if probe.info.encoder_sha256 is None else site.sae("x1_hat")

    def values(self, value: Tensor) -> Tensor:
        """Return the centre of the likeliest class, ``[B, T]``."""
        return self._centres[self.logits(value).argmax(-1)]

    def logits(self, value: Tensor) -> Tensor:
        """Return the log odds of every class, ``[B, T, K]``."""
        if self._sae is None:
            return value @ self._weights + self._bias
        code = self._sae.encode_sparse(value)
        flat = torch.nn.functional.embedding_bag(
            code.indices.flatten(0, -2), self._weights, per_sample_weights=code.values.flatten(0, -2), mode="sum"
        )
        return flat.reshape(*value.shape[:-1], -1) + self._bias
