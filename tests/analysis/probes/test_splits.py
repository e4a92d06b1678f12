"""Splits by group: stable, complete, and close to the asked shares."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.probes import shuffle_labels, split_groups, split_of


def test_frames_of_a_file_stay_together_and_files_keep_their_side():
    groups = np.repeat([f"file{i}.wav" for i in range(300)], 7)
    names = split_groups(groups)
    assert all(len(set(names[groups == group])) == 1 for group in np.unique(groups))
    fewer = groups < "file2"
    np.testing.assert_array_equal(split_groups(groups[fewer]), names[fewer])
    shares = {part: float((names == part).mean()) for part in ("train", "validation", "test")}
    assert shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.06)


def test_known_sides():
    # Fixed for good: a changed hash would move files from training to test.
    assert [split_of(f"{i}") for i in range(8)] == ["train", "test", *["train"] * 6]


def test_shares_must_sum_to_one():
    with pytest.raises(ValueError, match="sum to 1"):
        split_of("a", {"train": 0.5})


def test_shuffled_labels_keep_shares_and_runs_but_not_places():
    groups = np.repeat(np.arange(30), [5, 10, 15] * 10)
    target = np.random.default_rng(0).integers(0, 9, 30)[groups]
    shuffled = shuffle_labels(target, groups, seed=1)
    np.testing.assert_array_equal(np.bincount(shuffled), np.bincount(target))
    assert (shuffled == target).mean() < 0.4
    assert (np.diff(shuffled) != 0).sum() <= (np.diff(target) != 0).sum() + 1
    np.testing.assert_array_equal(shuffled, shuffle_labels(target, groups, seed=1))
