"""Turning a pipeline's latents to ``[B, T, C]`` and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Axes = Literal["channels first", "frames first", "image"]


@dataclass(frozen=True)
class Layout:
    """How one pipeline lays its latents out; neither direction copies where torch need not."""

    axes: Axes
    """``[B, C, T]``, ``[B, T, C]``, or ``[B, c, T, f]`` with C = c * f."""
    shape: tuple[int, ...]
    """As the pipeline holds one request, without the batch axis."""

    @classmethod
    def of(cls, shape: tuple[int, ...], latent_channels: int) -> Layout:
        """Tell the layout from the shape of one request's latents and the codec's channels."""
        if len(shape) == 3:
            return cls("image", shape)
        return cls("channels first" if shape[0] == latent_channels else "frames first", shape)

    @property
    def frames(self) -> int:
        """T."""
        return self.shape[0] if self.axes == "frames first" else self.shape[1]

    @property
    def channels(self) -> int:
        """C."""
        if self.axes == "image":
            return self.shape[0] * self.shape[2]
        return self.shape[1] if self.axes == "frames first" else self.shape[0]

    def to_frames(self, value: Tensor) -> Tensor:
        """Give ``[B, T, C]``."""
        if self.axes == "image":
            return value.permute(0, 2, 1, 3).flatten(2)
        return value if self.axes == "frames first" else value.transpose(1, 2)

    def from_frames(self, value: Tensor) -> Tensor:
        """Undo ``to_frames``."""
        if self.axes == "image":
            batch, frames, _ = value.shape
            return value.reshape(batch, frames, self.shape[0], self.shape[2]).permute(0, 2, 1, 3)
        return value if self.axes == "frames first" else value.transpose(1, 2)
