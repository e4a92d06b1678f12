"""Reading LRC, the format of timed lyrics: ``[mm:ss.xx]words``, one line each.

Two readings of the same text. ``original`` is what DiffRhythm does, with everything it overlooks; ``tolerant`` reads
what the files in circulation hold. They agree on files of nothing but ``[mm:ss.xx]`` lines in ascending order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

TAG = re.compile(r"\[\s*([A-Za-z#]+)\s*:(.*)\]\s*$")
STAMP = re.compile(r"\[\s*(\d+):(\d{1,2}(?:[.,:]\d{1,3})?)\s*\]")
WORD_STAMP = re.compile(r"<\s*\d+:\d{1,2}(?:[.,:]\d{1,3})?\s*>")
MISREAD = re.compile(r"\]|\[\s*\d+:")
"""How words begin in which the original reading left a part of a stamp."""


class Line(NamedTuple):
    """One timed line."""

    number: int
    """Its place in the file, from 1."""
    time_s: float
    """When it starts."""
    words: str


class Reading(NamedTuple):
    """What was read."""

    lines: tuple[Line, ...]
    remarks: tuple[str, ...]
    """What was left out or read doubtfully, for the user."""


def read_original(text: str) -> Reading:
    """Read as DiffRhythm does, in the order of the file.

    Of each line, characters 1 to 8 are the time and everything from 10 on the words. So stamps have exactly two digits
    of minutes, seconds and hundredths; lines with other stamps are left out or keep a part of the stamp in their words.
    """
    lines, left_out, misread = [], [], []
    skipped_lines = text[: len(text) - len(text.lstrip())].count("\n")
    for number, row in enumerate(text.strip().split("\n"), start=skipped_lines + 1):
        try:
            minutes, seconds = row[1:9].split(":")
            time_s = int(minutes) * 60 + float(seconds)
            if not math.isfinite(time_s):
                raise ValueError(seconds)
        except ValueError:
            if row.strip() and not TAG.match(row):
                left_out.append(number)
            continue
        line = Line(number, time_s, row[10:].strip())
        lines.append(line)
        if MISREAD.match(line.words):
            misread.append(number)
    remarks = []
    if left_out:
        remarks.append(
            f"{summed_up(left_out)} left out: no stamp of the form [mm:ss.xx]; the tolerant rules may read more"
        )
    if misread:
        remarks.append(
            f"{summed_up(misread)} read with a part of the stamp: DiffRhythm takes exactly [mm:ss.xx], one a line; "
            "the tolerant rules take others"
        )
    return Reading(tuple(lines), tuple(remarks))


def read_tolerant(text: str) -> Reading:
    """Read what is meant, in order of time.

    Any number of digits in a stamp, several stamps before one text (the line is sung at each), ``[offset:ms]``
    (positive = earlier), a byte order mark, headers, and stamps of single words, which are dropped.
    """
    lines, left_out, offset_s = [], [], 0.0
    for number, row in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        rest, times_s = row.strip(), []
        while stamp := STAMP.match(rest):
            times_s.append(int(stamp[1]) * 60 + float(re.sub("[,:]", ".", stamp[2])))
            rest = rest[stamp.end() :].lstrip()
        words = " ".join(WORD_STAMP.sub(" ", rest).split())
        lines += [Line(number, time_s, words) for time_s in times_s]
        if times_s or not rest:
            continue
        tag = TAG.match(rest)
        if tag is None:
            left_out.append(number)
        elif tag[1].lower() == "offset":
            try:
                offset_s = int(tag[2]) / 1000
            except ValueError:
                left_out.append(number)
    moved = (line._replace(time_s=max(line.time_s - offset_s, 0.0)) for line in lines)
    remarks = [f"{summed_up(left_out)} left out: no stamp such as [01:23.45]"] if left_out else []
    return Reading(tuple(sorted(moved, key=lambda line: line.time_s)), tuple(remarks))


LRC_RULES: Mapping[str, Callable[[str], Reading]] = {"original": read_original, "tolerant": read_tolerant}
"""Ways to read LRC, by name."""


def summed_up(numbers: list[int]) -> str:
    """``line 3 was``, ``lines 3, 4 were``; long lists are cut."""
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    return f"line {shown} was" if len(numbers) == 1 else f"lines {shown} were"
