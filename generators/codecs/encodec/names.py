"""EnCodec's tensors have other names in the original and in transformers; here they have transformers' present ones."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

RULES = (
    (r"^quantizer\.vq\.layers\.", "quantizer.layers."),
    (r"\._codebook\.", ".codebook."),
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"\.convtr\.convtr\.", ".conv."),
    (r"\.conv\.conv\.", ".conv."),
    (r"\.(?:convtr|conv)\.norm\.", ".norm."),
    (r"\.weight_g$", ".parametrizations.weight.original0"),
    (r"\.weight_v$", ".parametrizations.weight.original1"),
)
TRAINING = (".inited", ".cluster_size", ".embed_avg")
"""Endings of tensors that only training reads."""


def canonical(name: str) -> str:
    """Name of a tensor in transformers, whichever it had."""
    for pattern, replacement in RULES:
        name = re.sub(pattern, replacement, name)
    return name


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that inference reads, under transformers' names."""
    return {canonical(name): tensor for name, tensor in state.items() if not name.endswith(TRAINING)}


def codebook_name(index: int | str) -> str:
    """Name of one codebook; as a regular expression when ``index`` is one."""
    return f"quantizer.layers.{index}.codebook.embed"
