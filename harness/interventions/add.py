"""Add a direction: an SAE feature's, or the one by which a probe tells a class from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from analysis.probes import Probe
from analysis.sae.base import SAE
from harness.errors import InputError
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.features import check_features, find_features
from harness.interventions.site import NARROW, Site

MODES = ("keep", "paek")


@dataclass(frozen=True)
class Add(Intervention):
    """Adds ``strength`` times a direction. Give either ``features`` or ``property`` with ``value``.

    Acting at every step it accumulates: the state carries what was added before, and more is added to it. Use a short
    schedule, a small strength, or ``SetProperty``.
    """

    features: int | tuple[int, ...] | None = None
    """Features whose decoder rows are summed up; a strength of 1 is one unit of activation each."""
    property: str | None = None
    """Property whose probe gives the direction: the weights of a class against the mean of all classes."""
    value: float | None = None
    """Value of the property whose class is meant, in its unit."""
    mode: Literal["keep", "paek"] = "keep"
    """``keep`` adds the decoded direction, at unit length for a probe's class, and keeps what the SAE does not explain.
    ``paek`` does what Paek et al. publish: the code ``f + strength * w`` is set back to the norm of ``f`` and decoded,
    and the result replaces the value; for that, a probe on SAE features is needed, or features."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.features is None) == (self.property is None) or (self.property is None) != (self.value is None):
            raise InputError("add needs either features, or a property together with the value whose class is meant")
        if self.mode not in MODES:
            raise InputError(f"unknown mode {self.mode!r}. Known: {', '.join(MODES)}")
        if self.features is not None:
            object.__setattr__(self, "features", check_features(self.features))

    def prepare(self, site: Site) -> Edit:
        """Work the direction out."""
        if self.property is not None and self.at not in NARROW:
            raise InputError(
                f"a probe's direction is one of latents, and {self.at} is a hidden layer; add features there"
            )
        if self.property is not None and site.probe(self.property).info.encoder_sha256 is None:
            if self.mode == "paek":
                raise InputError(f"mode paek edits SAE features, but the {self.property} probe reads the latents")
            return _adding(self._class_weights(site))
        sae = site.sae(self.at)
        code = self._code(site, sae)
        if self.mode == "paek":
            return _paek(sae, code)
        return _adding(code @ sae.W_dec.detach(), unit=self.property is not None)

    def _code(self, site: Site, sae: SAE) -> Tensor:
        """Return the direction among features, ``[d_sae]``."""
        if self.features is None:
            return self._class_weights(site)
        _, chosen = find_features(site, self.at, self.features)
        return torch.zeros(sae.config.d_sae, device=site.device).index_fill(0, chosen, 1.0)

    def _class_weights(self, site: Site) -> Tensor:
        """Return the class's weights less the mean over classes, at unit length."""
        probe = site.probe(str(self.property))
        weights = probe.at(1.0).weights.to(site.device)
        direction = weights[:, class_of(probe, self.value or 0.0)] - weights.mean(1)
        unit: Tensor = direction / direction.norm()
        return unit


def class_of(probe: Probe, value: float) -> int:
    """Return the class that holds ``value``. Raises ``InputError`` outside the probe's range."""
    bins = probe.info.bins
    if bins is None:
        raise InputError(f"the {probe.info.property} probe is a regression and has no classes")
    low, high = bins.edges[0], bins.edges[-1]
    if not (np.isfinite(value) and low <= value <= high):
        raise InputError(
            f"{probe.info.property} {value:g} is outside what the probe knows; give {low:.4g} to {high:.4g} "
            f"{probe.info.unit}"
        )
    return min(int(np.searchsorted(bins.edges, value, side="right")) - 1, bins.count - 1)


def _adding(direction: Tensor, *, unit: bool = False) -> Edit:
    if unit:
        direction = direction / direction.norm()

    def edit(value: Tensor, moment: Moment) -> Tensor:
        return value + moment.strength * direction

    return edit


def _paek(sae: SAE, code: Tensor) -> Edit:
    def edit(value: Tensor, moment: Moment) -> Tensor:
        f = sae.encode(value)
        pushed = f + moment.strength * code
        return sae.decode(pushed * (f.norm(dim=-1, keepdim=True) / pushed.norm(dim=-1, keepdim=True).clamp_min(1e-12)))

    return edit
