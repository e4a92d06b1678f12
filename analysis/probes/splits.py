"""Deterministic splits by group: all frames of a file go to the same side, whatever else is in the data set."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Mapping
from itertools import accumulate

import numpy as np

DEFAULT_SPLIT: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def split_of(group: str, shares: Mapping[str, float] = DEFAULT_SPLIT, seed: int = 0) -> str:
    """Name the split that ``group`` (a file, a run) belongs to.

    The SHA-256 of seed and name decides, so a group keeps its side when others are added or removed.
    """
    if not shares or min(shares.values()) < 0 or not math.isclose(sum(shares.values()), 1):
        raise ValueError(f"split shares must be non-negative and sum to 1; got {dict(shares)}")
    position = int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2**64
    index = bisect.bisect(list(accumulate(shares.values())), position)
    return list(shares)[min(index, len(shares) - 1)]


def split_groups(groups: np.ndarray, shares: Mapping[str, float] = DEFAULT_SPLIT, seed: int = 0) -> np.ndarray:
    """Name the split of every frame, ``[N]`` strings, for the group of every frame ``[N]`` (names or numbers)."""
    names, inverse = np.unique(groups, return_inverse=True)
    return np.array([split_of(str(name), shares, seed) for name in names])[inverse]


def shuffle_labels(target: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Give every frame the label of another, whole groups at a time.

    The groups' label sequences are laid end to end in random order onto the frames. Class shares and the way labels
    change from frame to frame stay as they are; only their tie to the features is cut. This is the control.
    """
    names, inverse = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))
    donors = np.argsort(rank[inverse], kind="stable")
    receivers = np.argsort(inverse, kind="stable")
    shuffled = np.empty_like(target)
    shuffled[receivers] = target[donors]
    return shuffled
