"""What an intervention is bound to: a generator, what it is about to run, and what reads its latents."""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from analysis.probes import Probe
from analysis.sae.base import SAE
from analysis.source import LATENT_POINTS, Source
from generators.base import Generator, SamplingPlan
from generators.codecs.base import Codec
from harness.decoding.artifacts import Artifacts, require_shipped
from harness.errors import InputError
from harness.registry import unknown

NARROW = (*LATENT_POINTS, "velocity")
"""Hook points whose tensors are as wide as latents; all others are hidden layers."""


class Readers(ABC):
    """The SAE and probes that read some latents."""

    given: Artifacts | None
    """The user's; None = those shipped for the codec."""

    @property
    @abstractmethod
    def codec(self) -> Codec:
        """Whose latents they are."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the latents are."""

    @functools.cached_property
    def artifacts(self) -> Artifacts:
        """What reads the latents. Raises ``InputError`` when nothing was given for them and nothing is shipped."""
        if self.given is not None and (self.given.sae is not None or self.given.probes):
            return self.given
        return require_shipped(self.source("latents", self.codec.latent_channels))

    def source(self, at: str, d_in: int) -> Source:
        """Say what tensors of width ``d_in`` at hook point ``at`` are."""
        return Source(self.codec.id, self.codec.weights_sha256, at, d_in)

    def sae(self, at: str) -> SAE:
        """Return the SAE for tensors at ``at``, on the latents' device.

        Raises ``InputError`` when there is none, ``SourceError`` for one of another model or hook point.
        """
        found = self.artifacts.sae if at in NARROW else self._hidden_sae(at)
        if found is None:
            raise InputError("editing SAE features needs an SAE, but the probes given read the latents; give --sae DIR")
        found.require(self.source(at, found.config.d_in))
        return found if found.b_dec.device == self.device else copy.deepcopy(found).to(self.device)

    def _hidden_sae(self, at: str) -> SAE:
        known = {} if self.given is None else self.given.hidden
        if at not in known:
            have = f"; those given read {', '.join(known)}" if known else ""
            raise InputError(f"editing SAE features at {at} needs an SAE of that layer{have}; give --hidden-sae DIR")
        return known[at]

    def probe(self, name: str) -> Probe:
        """Return the probe of a property fitted on clean latents. Raises ``InputError`` naming the known ones."""
        probes = self.artifacts.probes
        if name not in probes:
            raise InputError(unknown("property", name, probes))
        return probes[name]


@dataclass(frozen=True)
class LatentSite(Readers):
    """Clean latents on the CPU that no generator makes: a recording's."""

    encoder: Codec
    """What encoded it."""
    given: Artifacts | None = None
    """The user's SAE and probes; None = those shipped for the codec."""

    @property
    def codec(self) -> Codec:
        """What encoded the recording."""
        return self.encoder

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")


@dataclass(frozen=True)
class Site(Readers):
    """One generation that is about to run, and the SAE and probes that read it."""

    generator: Generator
    plan: SamplingPlan
    batch: int | None = None
    """B, where it is known."""
    given: Artifacts | None = None
    """The user's SAE and probes; None = those shipped for the codec."""

    @property
    def codec(self) -> Codec:
        """The generator's."""
        return self.generator.codec

    @functools.cached_property
    def device(self) -> torch.device:
        """Where the generator computes."""
        return next(iter(self.generator.denoiser.state_dict().values()), torch.empty(0)).device

    def source(self, at: str, d_in: int) -> Source:
        """Say what tensors of width ``d_in`` at hook point ``at`` are: the codec's, or a hidden state."""
        if at in NARROW:
            return super().source(at, d_in)
        return Source(self.generator.id, self.generator.weights_sha256, at, d_in)
