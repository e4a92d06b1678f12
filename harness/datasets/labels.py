"""What a file as a whole is: class labels from a CSV, from the names of folders, or from VocalSet's layout."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.format import Classes
from harness.errors import InputError

FILE = "file"
"""Column of a label CSV that names the file, as seen from the CSV's folder."""
FOLDERS = "folders"
"""What is given instead of a CSV to label by folder."""
SINGER = re.compile(r"^(female|male)\d+$")
VOWELS = frozenset("aeiou")


def read_labels(labels: str, files: Sequence[Path]) -> Classes:
    """Label files by a CSV, or by ``folders``. Raises ``InputError`` unless every file has one row, or a label."""
    return by_folder(files) if labels == FOLDERS else by_csv(Path(labels), files)


def by_csv(path: Path, files: Sequence[Path]) -> Classes:
    """Read a CSV with a column ``file`` and one column per class label.

    Raises ``InputError`` for a CSV that cannot be read or has no such columns, for a file with two rows or none, and
    for rows of files that are not among the inputs.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except OSError as error:
        raise InputError(f"the labels {path} cannot be read: {error.strerror}; give a CSV, or {FOLDERS!r}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error
    names = [name for name in (rows[0] if rows else {}) if name and name != FILE]
    if not rows or FILE not in rows[0] or not names:
        raise InputError(f"{path} needs a column {FILE!r}, at least one column of labels, and a row for every file")
    found: dict[Path, dict[str, str]] = {}
    for row in rows:
        place = (path.parent / (row[FILE] or "")).resolve()
        if place in found:
            raise InputError(f"{path} has two rows for {row[FILE]}; keep one")
        found[place] = {name: (row[name] or "").strip() for name in names}
    wanted = {file.resolve(): str(file) for file in files}
    _refuse(path, [str(file) for place, file in wanted.items() if place not in found], "has no row for {}")
    _refuse(path, [str(place) for place in found if place not in wanted], "names {}, not among the inputs")
    return {name: {wanted[place]: values[name] for place, values in found.items()} for name in names}


def by_folder(files: Sequence[Path]) -> Classes:
    """Label by the name of the folder a file is in; in VocalSet's layout by singer, technique and vowel.

    VocalSet: ``female1/scales/vibrato/f1_scales_vibrato_a.wav``. Raises ``InputError`` when all files are in one
    folder, which tells nothing.
    """
    parts = [_vocalset(file) for file in files]
    if files and all(parts):
        return {
            name: {str(file): part[name] for file, part in zip(files, parts, strict=True) if part}
            for name in ("singer", "technique", "vowel")
        }
    folders = {str(file): file.parent.name for file in files}
    if len(set(folders.values())) < 2:
        raise InputError(
            "all files are in one folder, so folder names say nothing; sort them into one folder a class, or give "
            f"--labels a CSV with the columns {FILE!r} and your labels"
        )
    return {"class": folders}


def _vocalset(file: Path) -> dict[str, str] | None:
    *_, singer, _, technique, _ = ("", "", "", *file.resolve().parts)
    if not SINGER.match(singer):
        return None
    vowel = file.stem.rpartition("_")[2].lower()
    return {"singer": singer, "technique": technique, "vowel": vowel if vowel in VOWELS else ""}


def _refuse(path: Path, names: Sequence[str], fault: str) -> None:
    if names:
        shown = f"{len(names)} files, among them {names[0]}" if len(names) > 1 else names[0]
        raise InputError(
            f"{path} {fault.format(shown)}; give one row for every input, with its path as seen from the CSV's folder"
        )
