from __future__ import annotations

import h5py
import numpy as np
import pytest

from harness.datasets.build import build
from harness.datasets.reader import open_dataset
from harness.datasets.sources import audio_sources
from harness.errors import DatasetError, InputError
from tests.harness.datasets.audio_files import write_tones


@pytest.fixture
def path(tmp_path):
    out = tmp_path / "set.h5"
    build(*audio_sources([write_tones(tmp_path / "in", 3)], "closed-form", ("pitch",)), out)
    return out


def test_what_is_not_there_is_named(path):
    with open_dataset(path) as dataset:
        with pytest.raises(InputError, match="no labels of 'loudness'; it has pitch"):
            dataset.labels("loudness")
        empty = next(split for split in ("train", "validation", "test") if split not in dataset.split)
        with pytest.raises(InputError, match=f"has no {empty} files"):
            dataset.rows(empty)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        open_dataset(tmp_path / "missing.h5")


def change(path, name, value):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value


def drop(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("x"), "not a data set, or it is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "not a data set, or it is damaged"),
        (lambda path: change(path, "format", "other"), "not a data set of this program"),
        (lambda path: change(path, "format_version", "2.0"), "has data set format 2.0"),
        (lambda path: change(path, "complete", np.int64(0)), "unfinished"),
        (lambda path: change(path, "plan", "{"), "damaged"),
        (lambda path: drop(path, "vectors"), "damaged"),
        (lambda path: drop(path, "files/name"), "damaged"),
    ],
    ids=["text", "truncated", "foreign", "newer", "unfinished", "plan", "vectors", "files"],
)
def test_damaged_files_are_refused(path, damage, message):
    damage(path)
    with pytest.raises(DatasetError, match=message):
        open_dataset(path)
