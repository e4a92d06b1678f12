"""Words of a lyrics line to the phones DiffRhythm sings: Chinese and English, also within one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

from generators.base import RequestError
from generators.diffrhythm.lyrics import english, mandarin

Language = Literal["zh", "en"]

_LETTER = re.compile(rf"(?P<zh>[{mandarin.CHARACTERS}])|(?P<en>[A-Za-z])")
_SUPPORTED = ("LATIN ", "FULLWIDTH LATIN ", "CJK ", "IDEOGRAPHIC ")
"""How the Unicode names of letters begin that stand in Chinese or English text."""


def pronounce(words: str) -> list[str]:
    """Phones of a line; empty when it has no Chinese character and no letter from a to z.

    Raises ``RequestError`` for letters of other scripts, and where a package that pronounces is missing.
    """
    for character in words:
        if character.isalpha() and not unicodedata.name(character, "").startswith(_SUPPORTED) and character not in "ªº":
            raise RequestError(
                f"{words!r} has the letter {character!r}; DiffRhythm sings Chinese and English only: transcribe it, or "
                "give ready-made phones or ids (`lyrics_form`)"
            )
    phones: list[str] = []
    language: Language = "zh"
    for language, run in runs(words):
        phones += mandarin.phones(run) if language == "zh" else english.phones(run)
    if language == "en" and phones and phones[-1] == "_":
        phones.pop()
    return phones


def runs(words: str) -> Iterator[tuple[Language, str]]:
    """Cut a line where its language changes.

    Characters of neither language go with the run before them, at the start of the line with the one after.
    """
    start, current = 0, None
    for match in _LETTER.finditer(words):
        language: Language = "zh" if match["zh"] else "en"
        if current is not None and language != current:
            yield current, words[start : match.start()]
            start = match.start()
        current = language
    if current is not None:
        yield current, words[start:]
