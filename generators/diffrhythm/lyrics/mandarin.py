"""Chinese words to phones: jieba's words, pypinyin's readings, the tone changes of speech, one table of syllables.

The original reads words from a lexicon and ambiguous characters with a network of its own; a few per cent of such
characters come out differently here.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import tempfile
from collections.abc import Mapping
from importlib import resources
from typing import Any

from generators.diffrhythm.lyrics.english import ASCII_MARKS, MARKS
from generators.diffrhythm.lyrics.extra import load

CHARACTERS = "\u4e00-\u9fa5"
"""Range of characters that count as Chinese, for a regular expression."""

TONES = {"1": "→", "2": "↑", "3": "↓↑", "4": "↓", "5": ""}
APICAL = frozenset({"zhi", "chi", "shi", "ri", "zi", "ci", "si"})
"""Syllables whose vowel is written, as ``ɹ``, only where there is a tone to carry."""

NUMERALS = frozenset("零一二三四五六七八九十百千万亿")
CHILDREN = frozenset({"女儿", "男儿", "婴儿", "幼儿", "孤儿"})
"""Words whose 儿 means a child and keeps its tone."""


def phones(text: str) -> list[str]:
    """Pronounce Chinese text, without word gaps. Raises ``RequestError`` where a package is missing."""
    if re.search(r"\d", text):
        text = load("cn2an", "Chinese lyrics with numbers").transform(text, "an2cn")
    text = re.sub(rf"[^{CHARACTERS}{MARKS}]", "", text.translate(ASCII_MARKS).replace("...", "…"))
    return [phone for word in _words(text) for syllable in _syllables(word) for phone in _phones(syllable)]


def _words(text: str) -> list[str]:
    """Cut text into words; 不 and 一 go with what follows, X一X becomes one word, 儿 goes with what it follows."""
    words: list[str] = []
    for word in _segmenter().cut(text):
        previous = words[-1] if words else "…"
        joins = previous in ("不", "一") or word == "儿" or previous == f"{word}一"
        if joins and word not in MARKS and previous not in MARKS:
            words[-1] += word
        else:
            words.append(word)
    return words


def _syllables(word: str) -> list[str]:
    """Pinyin of every character with the tone as spoken, ``hao3``; marks stay as they are."""
    pypinyin = load("pypinyin", "Chinese lyrics")
    syllables = pypinyin.lazy_pinyin(
        word, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, errors=lambda unknown: list(unknown)
    )
    if len(syllables) != len(word):
        return list(syllables)
    for i, character in enumerate(word):
        following = syllables[i + 1][-1] if i + 1 < len(word) else ""
        middle = len(word) == 3 and i == 1
        if character == "不":
            syllables[i] = "bu5" if middle else "bu2" if following == "4" else "bu4"
        elif character == "一":
            citation = not following or _counts(word, i)
            echo = middle and word[0] == word[2]
            syllables[i] = "yi1" if citation else "yi5" if echo else "yi2" if following == "4" else "yi4"
        elif character == "儿" and i and i + 1 == len(word) and word not in CHILDREN:
            syllables[i] = "er5"
    if len(word) == 2 and all(syllable.endswith("3") for syllable in syllables):
        syllables[0] = syllables[0][:-1] + "2"
    return list(syllables)


def _counts(word: str, position: int) -> bool:
    """Say whether the 一 there is the number one: in numbers, ordinals and dates it keeps its tone."""
    return set(word) <= NUMERALS or word.startswith("第一") or word[position + 1] in "月日号"


def _phones(syllable: str) -> list[str]:
    """Phones of ``hao3``, or the mark itself; nothing for what has no reading."""
    base, tone = syllable[:-1], syllable[-1]
    if syllable in MARKS:
        return [syllable]
    if base not in _table():
        return []
    *first, last = _table()[base].split(" ")
    vowel = "ɹ" if base in APICAL and tone != "5" else ""
    return [*first, last + vowel + TONES[tone]]


@functools.cache
def _table() -> Mapping[str, str]:
    text = (resources.files(__package__) / "pinyin.json").read_text(encoding="utf-8")
    syllables: dict[str, str] = json.loads(text)["syllables"]
    return syllables


@functools.cache
def _segmenter() -> Any:
    """Load jieba's dictionary, which takes a second.

    By default jieba keeps what it loaded in a file of a fixed name in the shared temporary folder, and would load
    whatever lies there.
    """
    jieba = load("jieba", "Chinese lyrics")
    logging.getLogger("jieba").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        segmenter = jieba.Tokenizer()
        segmenter.tmp_dir = folder
        segmenter.initialize()
    return segmenter
