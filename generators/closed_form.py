"""A generator without training: the exact flow from N(0, I) to a finite set of latents with planted factors.

It is the test double that ships, and the ground truth for analysis: which member of the set a state belongs to has a
posterior in closed form, so the best possible decode of every factor is known at every t.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from generators import folder
from generators.base import CheckpointError, GenerationRequest, SamplingPlan
from generators.codecs.closed_form import FACTORS, ClosedFormCodec, Factor
from generators.flow import FlowGenerator
from generators.requests import RequestRules

MAX_DURATION_S = 12.0
VARIANTS = 2
VARIANT_NORM = 0.15
VARIANT_SEED = 0
WEIGHTS_FILE = "denoiser.safetensors"


class Distances(nn.Module):
    """Squared distances of states to the scaled members of the set."""

    def forward(self, x_t: Tensor, t: float, latents: Tensor) -> Tensor:
        """``||x_t - t x1_i||^2`` as float64 ``[B, n]``, from ``x_t [B, T, C]`` and ``latents [n, T, C]``.

        Expanded into one matmul; float64 because the posterior divides these by ``(1 - t)^2``.
        """
        x = x_t.flatten(1).double()
        members = t * latents.flatten(1).double()
        return (x * x).sum(1, keepdim=True) - 2 * (x @ members.T) + (members * members).sum(1)


class Posterior(nn.Module):
    """Probability of every member given the state."""

    def forward(self, squared_distances: Tensor, t: float, log_prior: Tensor) -> Tensor:
        """Softmax over i of ``-distance_i / (2 (1 - t)^2) + log w_i``, float64 ``[B, n]``."""
        return torch.softmax(log_prior - squared_distances / (2 * (1 - t) ** 2), dim=-1)


class Mean(nn.Module):
    """The clean estimate: expectation of the data given the state."""

    def forward(self, posterior: Tensor, latents: Tensor) -> Tensor:
        """``E[x1 | x_t]`` float64 ``[B, T, C]`` from ``posterior [B, n]`` and ``latents [n, T, C]``."""
        return torch.einsum("bn,ntc->btc", posterior, latents.double())


class ClosedFormDenoiser(nn.Module):
    """Velocity of the exact flow from N(0, I) at t = 0 to a weighted finite set of latents at t = 1.

    With ``x_t = (1 - t) noise + t x1`` the velocity of the marginal flow is ``(E[x1 | x_t] - x_t) / (1 - t)``
    (Lipman et al., arXiv 2210.02747, section 4).

    Parameters
    ----------
    latents
        ``[n, T, C]``; a call with fewer frames uses the first ones.
    log_weights
        ``[n]``, log of the members' probabilities.
    """

    latents: Tensor
    log_weights: Tensor

    def __init__(self, latents: Tensor, log_weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("latents", latents.float())
        self.register_buffer("log_weights", log_weights.float())
        self.distances = Distances()
        self.posterior = Posterior()
        self.mean = Mean()

    def forward(self, x_t: Tensor, t: float, allowed: Tensor | None = None) -> Tensor:
        """Velocity ``[B, T, C]`` of states at time ``0 <= t < 1``.

        ``allowed`` is a boolean ``[B, n]``: the members a state may still become; None means all.
        """
        latents = self.latents[:, : x_t.shape[1]]
        mean: Tensor = self.mean(self.member_posterior(x_t, t, allowed), latents)
        return ((mean - x_t) / (1 - t)).to(x_t.dtype)

    def member_posterior(self, x_t: Tensor, t: float, allowed: Tensor | None = None) -> Tensor:
        """Probability of every member, float64 ``[B, n]``. Raises ``ValueError`` unless ``0 <= t < 1``."""
        if not 0 <= t < 1:
            raise ValueError(f"t is {t}; the posterior is defined for 0 <= t < 1")
        log_prior = self.log_weights.double().expand(len(x_t), -1)
        if allowed is not None:
            log_prior = log_prior.masked_fill(~allowed, -math.inf)
        squared = self.distances(x_t, t, self.latents[:, : x_t.shape[1]])
        posterior: Tensor = self.posterior(squared, t, log_prior)
        return posterior


class ClosedFormGenerator(FlowGenerator):
    """Tones whose pitch, loudness and timbre are planted factors of the latents (registered as ``closed-form``).

    The set holds every combination of the factors' levels, each in a few variants that differ only in directions the
    codec does not hear. Words of the prompt (``C4``, ``loud``, ``dark``, ...) restrict the set; two words of one factor
    allow either level; the empty prompt allows all. The unconditional branch always has the whole set.

    Factors with a larger ``norm`` are committed to earlier. All norms count per frame, so a longer clip commits
    earlier as well (the evidence of all frames adds up).
    """

    codec: ClosedFormCodec
    denoiser: ClosedFormDenoiser
    rules = RequestRules(duration_s=1.5, num_inference_steps=32, guidance_scale=0.0, max_duration_s=MAX_DURATION_S)

    def __init__(self, factors: Sequence[Factor] = FACTORS, *, name: str = "closed-form", device: str = "cpu") -> None:
        self.id = name
        self.codec = ClosedFormCodec(factors)
        combinations = list(itertools.product(*(range(len(item.levels)) for item in factors)))
        levels = torch.tensor(combinations).repeat_interleave(VARIANTS, dim=0)
        self.levels: dict[str, Tensor] = {item.name: levels[:, i] for i, item in enumerate(factors)}
        """Per factor: the level index of every member, ``[n]``."""
        self.denoiser = ClosedFormDenoiser(self._members(), self._log_weights()).to(device).eval()

    @classmethod
    def from_pretrained(
        cls, path: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a folder, or build the default set (None). The set is kept in float32 whatever ``dtype`` is."""
        if path is None:
            return cls(device=device)
        config = folder.read_own_config(path, "closed-form")
        try:
            factors = [
                Factor(item["name"], tuple(item["levels"]), tuple(item["values"]), tuple(item["weights"]), item["norm"])
                for item in config["factors"]
            ]
            generator = cls(factors, name=str(path), device=device)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{Path(path) / folder.GENERATOR_FILE}: unusable factors ({error})") from None
        weights = Path(path) / WEIGHTS_FILE
        try:
            generator.denoiser.load_state_dict(folder.read_tensors(weights, device))
        except RuntimeError as error:
            raise CheckpointError(f"{weights}: tensors do not fit {folder.GENERATOR_FILE} ({error})") from None
        return generator

    def save_pretrained(self, directory: str | Path) -> None:
        """Write ``generator.json`` and ``denoiser.safetensors``."""
        folder.write_config(
            directory, "closed-form", {"factors": [dataclasses.asdict(item) for item in self.codec.factors]}
        )
        save_file(self.denoiser.state_dict(), Path(directory) / WEIGHTS_FILE)

    def conditions(self, requests: Sequence[GenerationRequest], plan: SamplingPlan) -> dict[str, Tensor]:
        """Mark the members that each prompt allows; the unconditional branch has them all."""
        allowed = torch.stack([self._read_prompt(request.prompt)[0] for request in requests])
        stacked = [allowed if branch == "cond" else torch.ones_like(allowed) for branch in plan.branches]
        return {"allowed": torch.cat(stacked).to(self.denoiser.latents.device)}

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """Name the words that mean nothing here."""
        _, unused = self._read_prompt(request.prompt)
        return (f"not understood: {', '.join(unused)}",) if unused else ()

    def posterior(self, x_t: Tensor, t: float, prompt: str = "") -> Tensor:
        """Probability of every member given states ``[B, T, C]`` at ``0 <= t < 1``, float64 ``[B, n]``.

        The empty prompt is the unconditional branch.
        """
        allowed, _ = self._read_prompt(prompt)
        return self.denoiser.member_posterior(x_t, t, allowed.to(x_t.device).expand(len(x_t), -1))

    def factor_posterior(self, x_t: Tensor, t: float, prompt: str = "") -> dict[str, Tensor]:
        """Bayes-optimal decode: per factor the probability of every level, float64 ``[B, levels]``.

        Optimal for the level of the data point that ``x_t`` was made from (pairs as ``sample_at`` draws them). Along a
        sampled trajectory the final level is a deterministic function of ``x_t``, which one could know exactly by
        following the flow; no decoder of the data point itself can do better than this one.
        """
        members = self.posterior(x_t, t, prompt)
        return {
            item.name: members.new_zeros(len(members), len(item.levels)).index_add_(
                1, self.levels[item.name].to(members.device), members
            )
            for item in self.codec.factors
        }

    def sample_at(
        self, t: float, count: int, *, seed: int, frames: int = 33, prompt: str = ""
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw independent states ``x_t [count, T, C]`` at any ``0 <= t <= 1`` with each factor's level ``[count]``."""
        allowed, _ = self._read_prompt(prompt)
        random = torch.Generator().manual_seed(seed)
        weights = self.denoiser.log_weights.cpu().exp() * allowed
        member = torch.multinomial(weights, count, replacement=True, generator=random)
        x1 = self.denoiser.latents[:, :frames].cpu()[member]
        noise = torch.randn(x1.shape, generator=random)
        return (1 - t) * noise + t * x1, {name: levels[member] for name, levels in self.levels.items()}

    def nearest(self, latents: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Member index ``[B]`` nearest to final latents ``[B, T, C]``, and the level of each of its factors ``[B]``."""
        squared = self.denoiser.distances(latents, 1.0, self.denoiser.latents[:, : latents.shape[1]])
        member = squared.argmin(dim=1).cpu()
        return member, {name: levels[member] for name, levels in self.levels.items()}

    def _members(self) -> Tensor:
        """Latents ``[n, T_max, C]`` of the whole set; variants repeat within every combination of levels."""
        frames = math.ceil(MAX_DURATION_S * self.codec.frame_rate_hz)
        one_hot = {item.name: torch.eye(len(item.levels))[self.levels[item.name]] for item in self.codec.factors}
        heard = self.codec.embed(one_hot)
        silent = self.codec.silent_directions
        random = torch.Generator().manual_seed(VARIANT_SEED)
        # Signs, because normal draws differ in the last bit between processors, and the digest would with them.
        signs = 2.0 * torch.randint(2, (VARIANTS, frames, len(silent)), generator=random) - 1
        variants = (VARIANT_NORM * signs @ silent).repeat(len(heard) // VARIANTS, 1, 1)
        return heard[:, None] + variants

    def _log_weights(self) -> Tensor:
        """Log prior of every member ``[n]``: the product of its levels' weights, shared among the variants."""
        parts = [
            torch.tensor(item.weights, dtype=torch.float64).log()[self.levels[item.name]] for item in self.codec.factors
        ]
        return torch.stack(parts).sum(dim=0).log_softmax(dim=0)

    def _read_prompt(self, prompt: str) -> tuple[Tensor, list[str]]:
        """Which members the prompt's words allow, ``[n]`` boolean, and the words that say nothing."""
        words = dict.fromkeys(re.findall(r"[\w#]+", prompt.lower()))
        allowed = torch.ones(len(self.denoiser.log_weights), dtype=torch.bool)
        known: set[str] = set()
        for item in self.codec.factors:
            asked = [index for index, level in enumerate(item.levels) if level.lower() in words]
            known.update(level.lower() for level in item.levels)
            if asked:
                allowed &= torch.isin(self.levels[item.name], torch.tensor(asked))
        return allowed, [word for word in words if word not in known]
