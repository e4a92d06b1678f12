"""What a DiffRhythm call costs, counted off the network's sizes; a multiplication with its addition counts as two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KERNEL, GROUPS, POSITION_CONVOLUTIONS = 31, 16, 2
"""Of the convolutions over the mixed input."""


def call_flops(config: Mapping[str, Any], frames: int) -> float:
    """Floating-point operations of one network call on one song, without what is computed once per song."""
    dim = config["dim"]
    block = 4 * dim**2 + 3 * dim**2 * config["ff_mult"]
    mixing = dim * (2 * config["mel_dim"] + config["text_dim"] + 2 * config["cond_dim"])
    convolutions = POSITION_CONVOLUTIONS * dim**2 // GROUPS * KERNEL
    per_frame = config["depth"] * block + mixing + convolutions + dim * config["mel_dim"]
    pairs = frames * (frames + 1) / 2 if config["attention"] == "causal" else frames**2
    return float(2 * frames * per_frame + 4 * pairs * dim * config["depth"])
