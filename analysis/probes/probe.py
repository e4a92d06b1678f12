"""The probe itself: a linear readout of one property, with everything needed to use it rightly later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analysis.probes.features import Features
from analysis.probes.linear import Linear
from analysis.properties.bins import Bins
from analysis.source import Source, SourceError


@dataclass(frozen=True)
class ProbeInfo:
    """What a probe reads, from what, and how it was made."""

    property: str
    """Name of the property."""
    unit: str
    """Unit of the property's values."""
    tolerance: float
    """Largest difference at which two values count as the same, in ``unit``."""
    bins: Bins | None
    """Classes of a classifier; None for a regression."""
    source: Source
    """The tensors the features were computed from."""
    encoder_sha256: str | None
    """Digest of the SAE that made the features; None where the features are the tensors themselves."""
    times: tuple[float, ...] = (1.0,)
    """The t each set of weights was fitted at, ascending; ``(1.0,)`` is a probe of clean latents."""
    training: dict[str, Any] = field(default_factory=dict)
    """Fit settings, class counts, temperatures, scores: JSON-ready, for the reader."""


@dataclass(frozen=True)
class Probe:
    """Linear weights per t; at any t the set fitted nearest to it is used."""

    info: ProbeInfo
    weights: Tensor
    """``[M, F, K]`` float32, for M times; K classes, or 1 for a regression."""
    bias: Tensor
    """``[M, K]`` float32."""

    def __post_init__(self) -> None:
        sets, _, width = self.weights.shape
        classes = 1 if self.info.bins is None else self.info.bins.count
        if sets != len(self.info.times) or width != classes or self.bias.shape != (sets, width):
            raise ValueError(
                f"{self.info.property} probe: weights {tuple(self.weights.shape)} and bias {tuple(self.bias.shape)} "
                f"do not fit {len(self.info.times)} times and {classes} outputs"
            )
        if list(self.info.times) != sorted(set(self.info.times)):
            raise ValueError(f"{self.info.property} probe: times must ascend; got {self.info.times}")

    def at(self, t: float) -> Linear:
        """Return the weights fitted nearest to t."""
        nearest = int(np.abs(np.array(self.info.times) - t).argmin())
        return Linear(self.weights[nearest], self.bias[nearest])

    def probabilities(self, features: Features, t: float = 1.0) -> np.ndarray:
        """Decode the probability of every class, ``[N, K]`` float32, from features at time t."""
        if self.info.bins is None:
            raise ValueError(f"{self.info.property} probe is a regression and has no classes; use values()")
        return np.asarray(torch.softmax(self._outputs(features, t), dim=1).cpu().numpy())

    def values(self, features: Features, t: float = 1.0) -> np.ndarray:
        """Decode the property's value, ``[N]`` float32: the regression's output, or the centre of the likeliest bin."""
        outputs = self._outputs(features, t).cpu().numpy()
        if self.info.bins is None:
            return np.asarray(outputs[:, 0])
        return np.asarray(self.info.bins.centres[outputs.argmax(axis=1)], dtype=np.float32)

    def require(self, source: Source, encoder_sha256: str | None) -> None:
        """Raise ``SourceError`` unless features of this source, through this SAE, are what the probe was fitted on."""
        name = f"the {self.info.property} probe"
        self.info.source.require(source, name)
        if self.info.encoder_sha256 != encoder_sha256:
            kinds = [
                f"the SAE {sha[:12]}" if sha else "raw tensors" for sha in (self.info.encoder_sha256, encoder_sha256)
            ]
            raise SourceError(f"{name} reads features of {kinds[0]} but was given those of {kinds[1]}; fit it on these")

    def _outputs(self, features: Features, t: float) -> Tensor:
        if features.d_features != self.weights.shape[1]:
            raise SourceError(
                f"the {self.info.property} probe reads {self.weights.shape[1]} features but was given "
                f"{features.d_features}; use the SAE (or raw latents) it was fitted on"
            )
        linear = self.at(t)
        return Linear(linear.weights.to(features.device), linear.bias.to(features.device))(features)
