"""``mini``'s text encoder: the style tokens of a prompt become one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from generators.mini.vocabulary import BRIGHTNESS_DB_PER_OCTAVE, INSTRUMENTS, LEVELS_LUFS

GROUPS: tuple[tuple[str, ...], ...] = (tuple(INSTRUMENTS), tuple(LEVELS_LUFS), tuple(BRIGHTNESS_DB_PER_OCTAVE))
"""Token groups; a prompt has at most one token of each."""


class TextEncoder(nn.Module):
    """Three optional tokens -> style vector ``[B, width]``; an absent token has a learnt vector of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(len(group) + 1, width) for group in GROUPS)
        self.mix = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed int64 ``[B, 3]``: 0 = absent, k = the group's k-th token."""
        total = torch.stack([table(tokens[:, i]) for i, table in enumerate(self.tables)]).sum(0)
        mixed: Tensor = self.mix(total)
        return total + mixed


def style_tokens(chosen: Sequence[str | None]) -> Tensor:
    """Token ids int64 ``[3]`` of (instrument, level, brightness), None = absent."""
    return torch.tensor(
        [0 if name is None else group.index(name) + 1 for name, group in zip(chosen, GROUPS, strict=True)]
    )
