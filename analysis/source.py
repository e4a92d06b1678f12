"""What an SAE or probe was fitted on, stored with it, so that it can refuse tensors it was not made for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

LATENT_POINTS = ("latents", "x_t", "x1_hat")
"""Hook points that live in the codec's latent space; ``latents`` means clean latents, as the codec encodes them."""


class SourceError(ValueError):
    """An SAE or probe was given tensors of another model, hook point or width; the message names the difference."""


@dataclass(frozen=True)
class Source:
    """Identity of the tensors an artifact was fitted on."""

    model_id: str
    """Codec id for latents, ``x_t`` and ``x1_hat``; generator id for hidden states."""
    weights_sha256: str
    """Hex digest of that model's weights."""
    hook_point: str
    """``latents``, ``x_t``, ``x1_hat`` or the path of a module of the denoiser."""
    d_in: int
    """Width of one frame's vector."""

    def require(self, given: Source, artifact: str) -> None:
        """Raise ``SourceError`` unless ``artifact``, fitted on this source, may be applied to tensors of ``given``.

        An artifact fitted on clean latents also takes ``x_t`` and ``x1_hat`` of the same codec: they share its space.
        """
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(given, field.name)
            if mine == theirs:
                continue
            if field.name == "hook_point" and mine == "latents" and theirs in LATENT_POINTS:
                continue
            raise SourceError(
                f"{artifact} was fitted for {field.name} {mine!r} but was given {theirs!r}; "
                f"use tensors of {self.model_id!r} at {self.hook_point!r}, or fit a new one for these"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote. Raises ``SourceError`` naming missing or unknown fields."""
        expected = {field.name for field in fields(cls)}
        if set(values) != expected:
            raise SourceError(f"source has fields {sorted(values)}; expected {sorted(expected)}")
        return cls(**values)
