"""English words to phones: numbers written out, espeak-ng through phonemizer, then DiffRhythm's own phone set."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Sequence
from typing import Any

from generators.base import RequestError
from generators.diffrhythm.lyrics.extra import load
from generators.diffrhythm.lyrics.numerals import written_out

ABBREVIATIONS = {
    "mrs": "misess",
    "mr": "mister",
    "dr": "doctor",
    "st": "saint",
    "co": "company",
    "jr": "junior",
    "maj": "major",
    "gen": "general",
    "drs": "doctors",
    "rev": "reverend",
    "lt": "lieutenant",
    "hon": "honorable",
    "sgt": "sergeant",
    "capt": "captain",
    "esq": "esquire",
    "ltd": "limited",
    "col": "colonel",
    "ft": "fort",
    "etc": "et cetera",
    "btw": "by the way",
}
"""What the original expands; a full stop after it stays."""

MARKS = ",.?!;:'…"
"""Punctuation that is kept, each mark as a phone. The apostrophe is one: "don't" is spoken as "don", "'", "t"."""

ASCII_MARKS = str.maketrans("，。？！；：、‘’⋯", ",.?!;:,''…")
"""Punctuation of other keyboards."""

GAP_AFTER = frozenset("p⁼ʰmftnlkxʃs`ɹaoəɛɪeɑʊŋiuɥwæjː")
"""A word gap follows the phones of a text that end in one of these characters."""

MERGED: Sequence[tuple[Sequence[str], str]] = (
    (("t", "ɹ"), "tɹ"),
    (("d", "ɹ"), "dɹ"),
    (("t", "s"), "ts"),
    (("d", "z"), "dz"),
    (("ɪ", "ɹ"), "ɪɹ"),
    (("ɐ",), "ɚ"),
    (("ᵻ",), "ɪ"),
    (("əl",), "l"),
    (("x",), "k"),
    (("ɬ",), "l"),
    (("ʔ",), "t"),
    (("n̩",), "n"),
    (("oː", "ɹ"), "oːɹ"),
)
"""Phones of espeak-ng and what the model has in their place, applied in this order."""

_ABBREVIATION = re.compile(rf"\b({'|'.join(ABBREVIATIONS)})\b", re.IGNORECASE)


def phones(text: str) -> list[str]:
    """Pronounce English text; words are separated by ``_``. Raises ``RequestError`` where a package is missing."""
    text = _ABBREVIATION.sub(lambda match: ABBREVIATIONS[match[0].lower()], text)
    spoken = _espeak(_cleaned(written_out(text)))
    items = [item for item in re.split(rf"\||([{MARKS}])", spoken) if item]
    if items and items[-1][-1] in GAP_AFTER:
        items.append("_")
    for parts, whole in MERGED:
        items = _merged(items, list(parts), whole)
    return items


def _cleaned(text: str) -> str:
    """Leave words and ``MARKS``, single blanks between words, none around marks."""
    text = text.strip().translate(ASCII_MARKS).replace("...", "…")
    text = re.sub(rf"[^\w\s{MARKS}]", "", text)
    text = re.sub(rf"\s*([{MARKS}])\s*", r"\1", text)
    return re.sub(r"\s+", " ", text)


def _espeak(text: str) -> str:
    """Phones of espeak-ng's American English: ``|`` between phones, ``|_|`` between words, marks as they were."""
    if not text:
        return ""
    separator = load("phonemizer.separator", "English lyrics").Separator(word="|_|", syllable="-", phone="|")
    (spoken,) = _backend().phonemize([text], separator=separator, strip=True)
    return str(spoken)


@functools.cache
def _backend() -> Any:
    """Start espeak-ng, which takes a moment. Raises ``RequestError`` where it is missing."""
    backend = load("phonemizer.backend", "English lyrics").EspeakBackend
    logger = logging.getLogger(__name__)
    logger.addHandler(logging.NullHandler())  # phonemizer's own default writes to standard error
    try:
        return backend(
            "en-us",
            preserve_punctuation=True,
            punctuation_marks=MARKS,
            with_stress=False,
            tie=False,
            language_switch="remove-flags",
            logger=logger,
        )
    except RuntimeError as error:
        raise RequestError(
            f"English lyrics are pronounced by espeak-ng, which does not run here ({error}); install it (Debian and "
            "Ubuntu: apt install espeak-ng), name its library in PHONEMIZER_ESPEAK_LIBRARY, or give ready-made phones "
            "or ids (`lyrics_form`)"
        ) from None


def _merged(items: list[str], parts: list[str], whole: str) -> list[str]:
    """Replace every run of ``parts`` by ``whole``, from the left."""
    merged: list[str] = []
    for item in items:
        merged.append(item)
        if merged[-len(parts) :] == parts:
            merged[-len(parts) :] = [whole]
    return merged
