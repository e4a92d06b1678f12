"""Prompts for emergence curves: MusicCaps captions where the user has its CSV, a list of our own otherwise."""

from __future__ import annotations

import csv
from itertools import cycle, islice, product
from pathlib import Path

from harness.errors import InputError

COLUMN = "caption"
"""Column of MusicCaps' CSV that holds the text."""
INSTRUMENTS = (
    "flute", "piano", "violin", "guitar", "trumpet", "clarinet", "choir", "vibraphone", "saxophone", "oboe", "marimba",
    "synth",
)  # fmt: skip
DESCRIPTIONS = (
    "a gentle, warm {} melody",
    "a loud and bright {} line",
    "a slow, muffled {} phrase",
    "a very quiet {} solo",
    "a crisp {} tune, moderately loud",
)


def built_in(count: int) -> list[str]:
    """Return ``count`` prompts, each instrument in turn; they repeat after ``len(INSTRUMENTS) * len(DESCRIPTIONS)``."""
    every = [description.format(instrument) for description, instrument in product(DESCRIPTIONS, INSTRUMENTS)]
    return list(islice(cycle(every), count))


def read_captions(path: Path, count: int) -> list[str]:
    """Read the first ``count`` captions of a CSV in MusicCaps' form: UTF-8, with a column ``caption``.

    Raises ``InputError`` for a file that cannot be read, has no such column, or holds too few captions.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if COLUMN not in (rows.fieldnames or ()):
                raise InputError(f"{path} has no column {COLUMN!r}; give MusicCaps' CSV, or any with that column")
            captions = [text for row in rows if (text := (row[COLUMN] or "").strip())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error
    if len(captions) < count:
        raise InputError(f"{path} holds {len(captions)} captions; {count} are wanted")
    return captions[:count]
