"""How long DiffRhythm's songs may be.

Base models make songs of 2048 frames, which the published command calls 95 s. Full-length v1.2 models make 96 to 285 s
and are told which; full-length v1.0 models always run all 6144 frames. Networks of other sizes or frame rates were
published by nobody, and make whatever fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

FRAME_RATE_HZ = 44100 / 2048
FULL_FRAMES = 6144


@dataclass(frozen=True)
class SongLengths:
    """The lengths one model makes."""

    max_frames: int
    """Frames of its longest song."""
    frame_rate_hz: float = FRAME_RATE_HZ
    told: bool = False
    """Whether the length is a condition of the network (its duration embedding)."""

    @property
    def full(self) -> bool:
        """Whether it is a full-length model, which sings every line; base models leave the last one out."""
        return self.told or self.max_frames >= FULL_FRAMES

    @property
    def shortest_s(self) -> float:
        """Shortest song; 0 = anything."""
        if not self._published:
            return 0.0
        return 96.0 if self.told else self.longest_s

    @property
    def longest_s(self) -> float:
        """Longest song: of published models the whole seconds, as their command counts."""
        longest_s = self.max_frames / self.frame_rate_hz
        return float(int(longest_s)) if self._published else longest_s

    def frames(self, duration_s: float) -> int:
        """T of a song. A model that is not told its length knows only the whole one, the last second included."""
        whole_s = int(self.max_frames / self.frame_rate_hz)
        if duration_s >= whole_s > 0 and not self.told:
            return self.max_frames
        return min(max(int(duration_s * self.frame_rate_hz), 1), self.max_frames)

    def condition(self, frames: int) -> float:
        """Length as a condition: a fraction of the longest, rounded to float16 as the original rounds it."""
        return torch.tensor(frames / self.max_frames).half().item()

    @property
    def _published(self) -> bool:
        sizes = (FULL_FRAMES,) if self.told else (2048, FULL_FRAMES)
        return self.max_frames in sizes and abs(self.frame_rate_hz - FRAME_RATE_HZ) < 1e-6


BASE = SongLengths(2048)
FULL = SongLengths(FULL_FRAMES, told=True)
"""The two published sizes of v1.2."""
