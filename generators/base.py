"""The contract every generator keeps, and the values that cross it.

Time runs from t = 0 (noise) to t = 1 (data). ``x_t[k]`` is the state before update ``k``; ``x_t[S]`` is the final
latent.

Shape letters: B batch, S steps, T frames, C latent channels, N samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from generators.codecs.base import Codec

Branch = Literal["cond", "uncond"]


class RequestError(ValueError):
    """A generation request that this generator cannot serve; the message says what is allowed.

    Fields and options of the request stand in it as `name`, so that a command line can say what its user typed instead.
    """


class CheckpointError(ValueError):
    """A folder or file that does not hold the weights it should; the message names the file and the fault."""


@dataclass(frozen=True)
class GenerationRequest:
    """What a user asks for. ``None`` means the generator's own default; ``Generator.resolve`` fills it in."""

    prompt: str
    """Free text; may be empty where the generator allows it."""
    negative_prompt: str | None = None
    """Text for the unconditional branch, for generators that have such a thing."""
    lyrics: str | None = None
    """Lyrics text (LRC), for generators that sing."""
    duration_s: float | None = None
    """Wanted length of the audio in seconds."""
    num_inference_steps: int | None = None
    """Number of updates S, so the trajectory has S + 1 states."""
    guidance_scale: float | None = None
    """Classifier-free guidance, in the generator's own convention (see its docs); 0 switches the second branch off."""
    seed: int = 0
    """Seed of the starting noise, 0 <= seed < 2**63."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Generator-specific settings; unknown keys are refused by ``resolve``."""


@dataclass(frozen=True)
class HookPoint:
    """One place and moment at which a tensor can be seen or replaced."""

    name: str
    """``"x_t"``, ``"velocity"``, ``"x1_hat"``, or the path of a module of the denoiser (a hidden state)."""
    step: int
    """Update index k, 0 <= k < S; the final state is seen as ``x_t`` with step S and t = 1."""
    t: float
    """Time of the state, 0 = noise, 1 = data."""
    branch: Branch | None = None
    """Guidance branch; None for ``x_t`` and for the guided velocity and clean estimate."""


@runtime_checkable
class StepHook(Protocol):
    """Anything that wants to see or change tensors while a generator runs."""

    def wants(self, point: HookPoint) -> bool:
        """Say whether to be called at ``point``. Must be pure: it is also asked before sampling starts."""

    def __call__(self, point: HookPoint, value: Tensor) -> Tensor | None:
        """Receive ``value`` ``[B, T, C]`` (hidden states ``[B, ...]``); return a replacement of its shape, or None."""


@runtime_checkable
class ModuleHook(StepHook, Protocol):
    """A hook that names the modules it may want beforehand, so that it is asked about no others.

    Any other hook is asked about every module at every step, which takes milliseconds where a network has hundreds.
    """

    wanted_modules: Collection[str]
    """Module paths of the denoiser; empty for a hook that looks at the sampler's own points alone."""


@dataclass(frozen=True)
class SamplingPlan:
    """What a resolved request will run, known before the first step."""

    times: tuple[float, ...]
    """t of every state, length S + 1, strictly increasing to 1; from 0, or a little above where noise is finite."""
    frames: int
    """T, latent frames."""
    channels: int
    """C, latent channels."""
    branches: tuple[Branch, ...]
    """Branches the denoiser is run for: ``("cond",)`` or ``("cond", "uncond")``."""
    sampler: Mapping[str, Any]
    """Everything else that fixes the trajectory (solver, guidance rule, ...), as JSON-ready values."""


@dataclass(frozen=True)
class Generation:
    """What comes out of one request."""

    audio: np.ndarray
    """float32 ``[channels, N]``, as decoded: not peak-normalised, may exceed +-1."""
    sample_rate_hz: int
    latents: Tensor
    """``[T, C]`` float32 on the CPU: the final state, which ``codec.decode`` turned into ``audio``.

    Where a recording was edited, its kept frames were put in before decoding.
    """
    request: GenerationRequest
    """The resolved request."""
    notes: tuple[str, ...] = ()
    """Remarks for the user, such as words of the prompt that were not understood."""


class Generator(ABC):
    """Base class of all generators.

    Subclasses implement ``from_pretrained``, ``save_pretrained``, ``resolve``, ``plan`` and ``generate_batch`` and pass
    ``generators.testing.GeneratorTests``.
    """

    id: str
    """Registered name, hub id or folder name: what a user would type to get this generator again."""
    codec: Codec
    denoiser: nn.Module
    licences: Mapping[str, str] = MappingProxyType({})
    """Source -> licence of weights that others published; empty for weights of ours or of a user's own."""
    remarks: Sequence[str] = ()
    """How the weights were taken, where a user should know: said before a run, and in the notes of its results."""
    load_settings: Mapping[str, Any] = MappingProxyType({})
    """What ``from_pretrained`` was given besides path, device and dtype, JSON-ready: needed to load it again."""

    @classmethod
    @abstractmethod
    def from_pretrained(
        cls, path: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load from a folder (None = the default weights). Raises ``CheckpointError`` naming the faulty file."""

    @abstractmethod
    def save_pretrained(self, directory: str | Path) -> None:
        """Write a folder that ``from_pretrained`` reads back to the same numbers."""

    @property
    @abstractmethod
    def weights_sha256(self) -> str:
        """Hex digest over the names, shapes and values of all weights."""

    @abstractmethod
    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """Fill every default in and check every value. Raises ``RequestError``."""

    @abstractmethod
    def plan(self, request: GenerationRequest) -> SamplingPlan:
        """Resolve a request and work out its times, shape and branches, without running anything."""

    @abstractmethod
    def generate_batch(self, requests: Sequence[GenerationRequest], hooks: Sequence[StepHook] = ()) -> list[Generation]:
        """Generate several requests in one batch; they must resolve to the same plan. Hooks see the whole batch."""

    def generate(self, request: GenerationRequest, hooks: Sequence[StepHook] = ()) -> Generation:
        """Generate one request; hooks see tensors with B = 1 and are called in the order given."""
        return self.generate_batch([request], hooks)[0]

    def flops(self, request: GenerationRequest) -> float | None:
        """Count the floating-point operations of all network calls for a request; None where nobody has counted."""
        return None

    def rehearse(self, frames: int) -> Mapping[str, Tensor]:
        """Foresee what modules of the denoiser return in a call on one song of ``frames`` frames, by their paths.

        The tensors are on device ``meta``: they have a shape and a type, but no values. Modules of which nothing can be
        told before they run are missing, which here are all.
        """
        return {}

    def hook_points(self) -> tuple[str, ...]:
        """Names at which hooks can be attached: the sampler's own three, then every module path of the denoiser."""
        modules = tuple(name for name, _ in self.denoiser.named_modules() if name)
        return ("x_t", "velocity", "x1_hat", *modules)
