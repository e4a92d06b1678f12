"""How long DiffRhythm's songs may be.

A base model makes songs of exactly 2048 frames, which its command calls 95 s. Full-length v1.2 models make 96 to 285 s,
told by a duration embedding; v1.0 ones always run all 6144 frames. Networks of other sizes are nobody's but the
user's, and make what fits.
"""

from __future__ import annotations

import torch

from generators.base import RequestError

FRAME_RATE_HZ = 44100 / 2048
BASE_FRAMES = 2048
BASE_S = 95
FULL_FRAMES = 6144
FULL_S = (96, 285)
"""Shortest and longest song of a full-length model."""


def song_frames(audio_length_s: float) -> int:
    """T of a song of the published commands: 95 s is 2048 frames, 96 to 285 s are what they take.

    Raises ``RequestError`` for another length or a fraction of a second.
    """
    if audio_length_s == BASE_S:
        return BASE_FRAMES
    if not FULL_S[0] <= audio_length_s <= FULL_S[1] or audio_length_s != int(audio_length_s):
        raise RequestError(
            f"audio_length_s is {audio_length_s:g}; give {BASE_S} (base models) or a whole number from {FULL_S[0]} to "
            f"{FULL_S[1]} (full-length models)"
        )
    return min(int(audio_length_s * FRAME_RATE_HZ), FULL_FRAMES)


def conditioned_length(frames: int, max_frames: int) -> float:
    """Duration as the network is told it: a fraction of its longest song, rounded to float16 as the original does."""
    return torch.tensor(frames / max_frames).half().item()
