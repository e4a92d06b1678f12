"""Numbers in English lyrics, written out as they are spoken."""

from __future__ import annotations

import re
from collections.abc import Callable

from generators.diffrhythm.lyrics.extra import load


def written_out(text: str) -> str:
    """Replace digits by words: "$12.50" becomes "twelve dollars, fifty cents", "the 3rd" "the third", "1999" a year.

    Whole numbers from 1001 to 2999 are read in pairs like years, save round hundreds and 2000 to 2009.
    """
    if not re.search(r"\d", text):
        return text
    for pattern, spoken in _RULES:
        text = re.sub(pattern, spoken, text, flags=re.IGNORECASE)
    return text


def _words(number: int | str, **options: object) -> str:
    engine = load("inflect", "English lyrics with numbers").engine()
    return str(engine.number_to_words(number, andword="", **options))


def _dollars(match: re.Match[str]) -> str:
    whole, _, part = match[1].partition(".")
    dollars, cents = int(whole or 0), int(part or 0)
    parts = [f"{dollars} dollar{'s' * (dollars != 1)}"] if dollars or not cents else []
    parts += [f"{cents} cent{'s' * (cents != 1)}"] if cents else []
    return ", ".join(parts)


def _fraction(match: re.Match[str]) -> str:
    above, below = int(match[1]), int(match[2])
    if below in (0, 1):
        return f"{above} over {below}"
    name = {2: "half", 4: "quarter"}.get(below) or _words(f"{below}th")
    if above != 1:
        name = "halves" if below == 2 else f"{name}s"
    return f"{_words(above)} {name}"


def _integer(match: re.Match[str]) -> str:
    number = int(match[0])
    if not 1000 < number < 3000 or number == 2000:
        return _words(number)
    if number // 10 == 200:
        return f"two thousand {_words(number % 100)}"
    if number % 100 == 0:
        return f"{_words(number // 100)} hundred"
    return _words(number, zero="oh", group=2).replace(", ", " ")


_RULES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"(?<=\d),(?=\d)", ""),
    (r"£(\d+)", r"\1 pounds"),
    (r"\$(\d*\.?\d+)", _dollars),
    (r"(\d+)/(\d+)", _fraction),
    (r"(\d)\.(?=\d)", r"\1 point "),
    (r"(\d)%", r"\1 percent"),
    (r"(\d+)(?:st|nd|rd|th)\b", lambda match: _words(match[0].lower())),
    (r"\d+", _integer),
)
"""Patterns and what is said instead, in this order."""
