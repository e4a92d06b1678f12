"""What editing chosen SAE features has in common: finding them, and moving the value as the code moves."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.sae.base import SAE
from harness.errors import InputError
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.site import Site


@dataclass(frozen=True)
class FeatureEdit(Intervention):
    """Changes the activations of some features: ``value' = value + (f' - f) @ W_dec``.

    What the SAE does not explain stays as it is, and so do all other features.
    """

    features: int | tuple[int, ...]
    """Indices of the features; one index is the same as a tuple of one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "features", check_features(self.features))

    @abstractmethod
    def change(self, f: Tensor) -> Tensor:
        """Return what to add to activations ``f [..., n]`` of the chosen features at full strength."""

    def prepare(self, site: Site) -> Edit:
        """Find the rows of the dictionary."""
        sae, chosen = find_features(site, self.at, self.features)
        rows = sae.W_dec.detach()[chosen]

        def edit(value: Tensor, moment: Moment) -> Tensor:
            f = sae.encode(value)[..., chosen]
            return value + (moment.strength * self.change(f)) @ rows

        return edit


def check_features(features: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return feature indices as a tuple. Raises ``InputError`` unless they are distinct whole numbers, at least one."""
    chosen = features if isinstance(features, tuple) else (features,)
    whole = all(isinstance(index, int) and not isinstance(index, bool) for index in chosen)
    if not chosen or not whole or len(set(chosen)) < len(chosen):
        raise InputError(f"features is {features!r}; give one or more different whole numbers")
    return chosen


def find_features(site: Site, at: str, features: int | tuple[int, ...]) -> tuple[SAE, Tensor]:
    """Return the SAE at ``at`` and the indices ``[n]``. Raises ``InputError`` for an index it does not have."""
    sae = site.sae(at)
    for index in check_features(features):
        if not 0 <= index < sae.config.d_sae:
            raise InputError(f"there is no feature {index}; the {sae.name} has 0 to {sae.config.d_sae - 1}")
    return sae, torch.tensor(check_features(features), device=site.device)
