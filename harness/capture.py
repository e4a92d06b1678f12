"""Choosing hidden states by module pattern, and copying tensors off their device without holding it up."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.base import Generator
from harness.errors import InputError
from harness.registry import unknown

HIDDEN_DTYPES = {"float16": torch.float16, "float32": torch.float32}
"""What hidden states may be stored as."""


@dataclass(frozen=True)
class HiddenCapture:
    """Which hidden states to record. Modules that do not return one tensor per request are passed over."""

    patterns: tuple[str, ...] = ()
    """Shell-style patterns of module paths of the denoiser, such as ``"transformer_blocks.*"``."""
    every: int = 1
    """Record every n-th step, starting with step 0."""
    stride: int = 1
    """Keep every n-th entry of the first axis after the batch (latent frames, for most modules)."""
    dtype: str = "float16"
    """One of ``HIDDEN_DTYPES``."""

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("stride", self.stride)):
            if value < 1:
                raise InputError(f"hidden states: {name} must be at least 1, not {value}")
        if self.dtype not in HIDDEN_DTYPES:
            raise InputError(unknown("dtype of hidden states", self.dtype, list(HIDDEN_DTYPES)))

    def modules(self, generator: Generator) -> frozenset[str]:
        """Find the module paths that match. Raises ``InputError`` for a pattern that matches none, nearest first."""
        known = [name for name, _ in generator.denoiser.named_modules() if name]
        for pattern in self.patterns:
            if not fnmatch.filter(known, pattern):
                raise InputError(unknown("hidden pattern", pattern, known))
        return frozenset(name for pattern in self.patterns for name in fnmatch.filter(known, pattern))

    def thin(self, output: Tensor, batch: int) -> Tensor | None:
        """Apply the stride to one output; None when it is not one floating-point tensor ``[B, ..., D]`` per request."""
        if output.ndim < 2 or len(output) != batch or not output.is_floating_point():
            return None
        return output[:, :: self.stride] if output.ndim > 2 else output


def storable(dtype: torch.dtype) -> torch.dtype:
    """Give the dtype that holds ``dtype`` exactly and that HDF5 has."""
    return dtype if dtype in (torch.float16, torch.float32, torch.float64) else torch.float32


def dtype_name(dtype: torch.dtype) -> str:
    """Give the plain name of a dtype: ``"float32"``."""
    return str(dtype).removeprefix("torch.")


def room(value: Tensor, dtype: torch.dtype, *lead: int) -> Tensor:
    """Memory of the CPU in which ``snapshot`` can put tensors like ``value``; ``lead`` are axes in front of its own."""
    return torch.empty((*lead, *value.shape), dtype=dtype, pin_memory=value.device.type == "cuda")


def snapshot(value: Tensor, target: Tensor) -> None:
    """Copy ``value`` to ``target``; from a CUDA device the copy may still be under way (see ``Fence``)."""
    source = value.detach()
    cuda = source.device.type == "cuda"
    if cuda:
        source = source.to(target.dtype).contiguous()
    target.copy_(source, non_blocking=cuda)


class Fence:
    """The moment at which all snapshots begun so far from a device are done."""

    def __init__(self, device: torch.device) -> None:
        self._event = None
        if device.type == "cuda":
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(device))

    def wait(self) -> None:
        """Block until then."""
        if self._event is not None:
            self._event.synchronize()
