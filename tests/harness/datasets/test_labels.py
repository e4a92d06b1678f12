from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets.labels import read_labels
from harness.errors import InputError


def write(folder: Path, text: str) -> str:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_csv_names_files_from_its_own_folder(tmp_path):
    files = [tmp_path / "a.wav", tmp_path / "in" / "b.wav"]
    labels = write(tmp_path, "file,singer,technique\nin/b.wav,f1,belt\n./a.wav,m2, straight \n")
    assert read_labels(labels, files) == {
        "singer": {str(files[0]): "m2", str(files[1]): "f1"},
        "technique": {str(files[0]): "straight", str(files[1]): "belt"},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,x\na.wav,1\na.wav,2\n", "two rows for a.wav"),
        ("file,x\na.wav,1\n./a.wav,2\nb.wav,1\n", "two rows for ./a.wav"),
        ("file,x\na.wav,1\n", "has no row for .*b.wav"),
        ("file,x\na.wav,1\nb.wav,1\nc.wav,1\n", "c.wav, not among the inputs"),
        ("name,x\na.wav,1\n", "needs a column 'file'"),
        ("file\na.wav\n", "at least one column of labels"),
        ("", "needs a column 'file'"),
    ],
)
def test_faulty_csvs(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_labels(write(tmp_path, text), [tmp_path / "a.wav", tmp_path / "b.wav"])


def test_folders_are_classes(tmp_path):
    files = [tmp_path / "dog" / "1.wav", tmp_path / "cat" / "2.wav"]
    assert read_labels("folders", files) == {"class": {str(files[0]): "dog", str(files[1]): "cat"}}
    with pytest.raises(InputError, match="all files are in one folder"):
        read_labels("folders", [tmp_path / "1.wav", tmp_path / "2.wav"])


def test_vocalsets_layout(tmp_path):
    one = tmp_path / "FULL" / "female1" / "scales" / "vibrato" / "f1_scales_vibrato_a.wav"
    two = tmp_path / "FULL" / "male11" / "excerpts" / "spoken" / "m11_row_spoken.wav"
    assert read_labels("folders", [one, two]) == {
        "singer": {str(one): "female1", str(two): "male11"},
        "technique": {str(one): "vibrato", str(two): "spoken"},
        "vowel": {str(one): "a", str(two): ""},
    }
    assert set(read_labels("folders", [one, tmp_path / "else" / "x.wav"])) == {"class"}
