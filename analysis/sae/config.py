"""What fixes an SAE before it has weights."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


class SAEError(ValueError):
    """An SAE that cannot be built, trained, read or written as asked; the message says what is allowed."""


@dataclass(frozen=True)
class SAEConfig:
    """Architecture, shape and sparsity of one SAE."""

    architecture: str
    """Name in ``analysis.sae.ARCHITECTURES``."""
    d_in: int
    """Width of the vectors it reads, such as the codec's latent channels."""
    d_sae: int
    """Number of features."""
    k: int | None = None
    """Active features per vector: exact for topk and random, on average for batch_topk, matryoshka and jumprelu."""
    sparsity: float | None = None
    """Weight of the sparsity term of the loss (standard, rms, jumprelu), for data of unit variance."""
    prefixes: tuple[int, ...] | None = None
    """Nested dictionary sizes of matryoshka, ascending, the last one d_sae; None = d_sae / 16, / 8, / 4, / 2, / 1."""
    seed: int = 0
    """Seed of the starting weights."""

    def __post_init__(self) -> None:
        for name in ("d_in", "d_sae"):
            if getattr(self, name) < 1:
                raise SAEError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.k is not None and not 1 <= self.k <= self.d_sae:
            raise SAEError(f"k must lie in 1..d_sae = 1..{self.d_sae}; got {self.k}: lower k or widen the SAE")
        if self.sparsity is not None and not 0 <= self.sparsity < float("inf"):
            raise SAEError(f"sparsity must be a finite number of at least 0; got {self.sparsity}")
        if self.prefixes is not None:
            object.__setattr__(self, "prefixes", tuple(self.prefixes))
            if list(self.prefixes) != sorted({p for p in self.prefixes if p > 0}) or self.prefixes[-1] != self.d_sae:
                raise SAEError(
                    f"prefixes must ascend from at least 1 and end at d_sae {self.d_sae}; got {self.prefixes}"
                )

    def require(self, needed: Collection[str], optional: Collection[str] = ()) -> None:
        """Raise ``SAEError`` unless exactly the settings an architecture works with are given."""
        given = {name for name in ("k", "sparsity", "prefixes") if getattr(self, name) is not None}
        if missing := sorted(set(needed) - given):
            raise SAEError(f"{self.architecture} needs {missing[0]}; give {missing[0]}=... (--{missing[0]})")
        if extra := sorted(given - set(needed) - set(optional)):
            raise SAEError(f"{self.architecture} has no {extra[0]}; leave it out (got {getattr(self, extra[0])})")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {**asdict(self), "prefixes": None if self.prefixes is None else list(self.prefixes)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote. Raises ``SAEError`` naming an unknown or missing field."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise SAEError(f"unknown SAE setting {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
        missing = [name for name in ("architecture", "d_in", "d_sae") if name not in values]
        if missing:
            raise SAEError(f"an SAE config needs {', '.join(missing)}")
        return cls(**values)
