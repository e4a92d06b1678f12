"""Loudness kept beside latents, for codecs that divide it out of every segment before they encode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class ScaledTensor(Tensor):
    """Latents ``[B, T, C]`` or codes ``[B, K, T]`` that carry their segments' scales along.

    Without them ``decode(encode(audio))`` would be of another loudness than ``audio``. They stay through everything
    that keeps the shape, such as an edit, and through slices of the batch; anything else gives a plain tensor, which
    decodes as if every scale were 1.
    """

    scales: Tensor
    """``[B, segments]``."""

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` on plain tensors and hand the scales on."""
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        carrier = next((arg for arg in args if isinstance(arg, ScaledTensor)), None)
        if carrier is None or not isinstance(result, Tensor) or not hasattr(carrier, "scales"):
            return result
        if func is Tensor.__getitem__ and isinstance(args[1], slice):
            return with_scales(result, carrier.scales[args[1]])
        return with_scales(result, carrier.scales) if result.shape == carrier.shape else result


def with_scales(values: Tensor, scales: Tensor | None) -> Tensor:
    """Return ``values`` carrying ``scales``, or as they are when there are none."""
    if scales is None:
        return values
    scaled = values.as_subclass(ScaledTensor)
    scaled.scales = scales
    return scaled


def scales_of(values: Tensor) -> Tensor | None:
    """Scales ``[B, segments]`` that ``values`` carry, or None."""
    return getattr(values, "scales", None)
