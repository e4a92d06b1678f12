"""Reading a prompt: note names become notes in their order, other known words become style tokens."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from generators.mini.vocabulary import (
    BRIGHTNESS_DB_PER_OCTAVE,
    HIGHEST_MIDI,
    INSTRUMENTS,
    LEVELS_LUFS,
    LOWEST_MIDI,
    PHRASES,
    STYLE_TOKENS,
)

_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS = {"#": 1, "b": -1, "sharp": 1, "flat": -1}
_SHAPES = {"major": (0, 4, 7, 12), "minor": (0, 3, 7, 12)}
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11, 12), "minor": (0, 2, 3, 5, 7, 8, 10, 12)}
_PITCH = r"(?<![\w#])(?P<{0}letter>[a-g])(?:[\s-]?(?P<{0}word>sharp|flat)\b|(?P<{0}sign>[#b]))?"
_NOTE = re.compile(_PITCH.format("") + r"(?:(?<=[a-g#b])|\s?)(?P<octave>-?\d)(?![\w.]|\s?(?:s|sec|seconds?|hz)\b)")
_TRIAD = re.compile(
    _PITCH.format("") + r"(?P<octave>\d)?[\s-]?(?P<mode>major|minor|maj|min|m)?\s(?P<form>arpeggio|chord|triad|scale)\b"
)
_BARE = re.compile(r"(?<![\w#])(?P<letter>[A-G])(?P<sign>[#b]|\s(?:sharp|flat)\b)?(?![\w#])")
_JOINT = re.compile(r"\s*(?:,|-|>|→|then|and|to|followed by)?\s*(?:then|and)?\s*")
_REST = re.compile(r"\b(?:rest|pause|silence)\b")
_WORD = re.compile(r"[^\W_]+(?:'\w+)?")
_SILENT_WORDS = frozenset(
    # Words that carry nothing ``mini`` could follow, and are no reason for a remark.
    re.split(
        r"\s+",
        "a an the and or of with in on by to for from at as is it its that this then next followed after before while "
        "note notes melody melodies tune tunes line phrase music musical song sound sounds sounding tone tones toned "
        "timbre play plays played playing performs performed performing solo single some something please make me "
        "generate clip piece recording audio instrument register each one two three four five six seven eight "
        "arpeggio scale chord major minor free improvised level dynamic dynamics volume very lead",
    )
)
_LONGEST_PHRASE = max(len(phrase.split()) for phrase in PHRASES)
_GROUPS: dict[str, Collection[str]] = {
    "instrument": INSTRUMENTS,
    "level": LEVELS_LUFS,
    "brightness": BRIGHTNESS_DB_PER_OCTAVE,
}
MAX_NOTES = 8


@dataclass(frozen=True)
class Prompt:
    """What was understood."""

    notes: tuple[int | None, ...] | None
    """MIDI numbers in playing order, None for a rest; None altogether when the prompt leaves the notes open."""
    instrument: str | None
    level: str | None
    brightness: str | None
    remarks: tuple[str, ...]
    """What was ignored, moved or guessed, for the user."""


def read(text: str) -> Prompt:
    """Read a prompt. Never fails: what is not understood is ignored and said in ``remarks``."""
    text = unicodedata.normalize("NFKC", text).replace("♯", "#").replace("♭", "b")
    remarks: list[str] = []
    found, rest_of_text = _take_notes(text)
    midis = [midi for _, group in sorted(found, key=lambda item: item[0]) for midi in group]
    if not any(midi is not None for midi in midis):
        midis = []
    if len(midis) > MAX_NOTES:
        remarks.append(f"only the first {MAX_NOTES} of {len(midis)} notes are played")
        midis = midis[:MAX_NOTES]
    placed = [_into_range(midi, remarks) for midi in midis]
    styles = _take_styles(rest_of_text, remarks)
    return Prompt(tuple(placed) or None, styles["instrument"], styles["level"], styles["brightness"], tuple(remarks))


def _midi(letter: str, accidental: str | None, octave: int) -> int:
    step = _ACCIDENTALS[accidental.strip().lower()] if accidental else 0
    return 12 * (octave + 1) + _SEMITONES[letter.lower()] + step


def _into_range(midi: int | None, remarks: list[str]) -> int | None:
    if midi is None or LOWEST_MIDI <= midi <= HIGHEST_MIDI:
        return midi
    moved = midi
    while moved < LOWEST_MIDI:
        moved += 12
    while moved > HIGHEST_MIDI:
        moved -= 12
    remarks.append(f"a note lies outside C3 to C6 and was moved by {(moved - midi) // 12:+d} octaves")
    return moved


def _take_notes(text: str) -> tuple[list[tuple[int, list[int | None]]], str]:
    """Return (position, notes) groups and the text with them blanked out."""
    found: list[tuple[int, list[int | None]]] = []

    def blank(match: re.Match[str]) -> None:
        nonlocal text
        text = text[: match.start()] + " " * (match.end() - match.start()) + text[match.end() :]

    for match in list(_TRIAD.finditer(text.lower())):
        # A lower-case "a" before "scale" or "chord" is an article unless a mode says otherwise.
        if text[match.start()] == "a" and not (match["mode"] or match["octave"] or match["word"] or match["sign"]):
            continue
        mode = "minor" if match["mode"] in ("minor", "min", "m") else "major"
        root = _midi(match["letter"], match["sign"] or match["word"], int(match["octave"] or 4))
        steps = (_SCALES if match["form"] == "scale" else _SHAPES)[mode]
        found.append((match.start(), [root + step for step in steps]))
        blank(match)
    for match in list(_NOTE.finditer(text.lower())):
        found.append((match.start(), [_midi(match["letter"], match["sign"] or match["word"], int(match["octave"]))]))
        blank(match)
    for match in _bare_notes(text, bool(found)):
        found.append((match.start(), [_midi(match["letter"], match["sign"], 4)]))
        blank(match)
    for match in list(_REST.finditer(text.lower())):
        found.append((match.start(), [None]))
        blank(match)
    return found, text


def _bare_notes(text: str, others: bool) -> list[re.Match[str]]:
    """Capital letters without an octave that are notes: with an accidental, in a row of several, or after "note"."""
    matches = list(_BARE.finditer(text))
    taken = []
    for index, match in enumerate(matches):
        neighbours = [
            _JOINT.fullmatch(text[a.end() : b.start()]) is not None
            for a, b in (
                (matches[index - 1], match),
                (match, matches[index + 1] if index + 1 < len(matches) else match),
            )
            if a is not b and a.end() <= b.start()
        ]
        after_word = re.search(r"\bnotes?:?\s*$", text[: match.start()], re.IGNORECASE)
        if match["sign"] or any(neighbours) or after_word:
            taken.append(match)
    return taken


def _take_styles(text: str, remarks: list[str]) -> dict[str, str | None]:
    """Find style tokens by the longest known phrases; tell what was left over."""
    originals = _WORD.findall(text)
    words = [word.lower() for word in originals]
    chosen: dict[str, str | None] = dict.fromkeys(_GROUPS)
    ignored: list[str] = []
    position = 0
    while position < len(words):
        token, used = _longest_phrase(words, originals, position)
        if token is None:
            word = words[position]
            guess = _guess(word)
            if guess is not None:
                remarks.append(f"read {originals[position]!r} as {guess!r}")
                token = PHRASES.get(guess, guess)
            elif word not in _SILENT_WORDS:
                ignored.append(originals[position])
        if token is not None:
            group = next(name for name, members in _GROUPS.items() if token in members)
            if chosen[group] in (None, token):
                chosen[group] = token
            else:
                remarks.append(f"{token!r} contradicts {chosen[group]!r}, which came first, and was ignored")
        position += used
    if ignored:
        shown = ", ".join(repr(word) for word in ignored[:8]) + (" ..." if len(ignored) > 8 else "")
        remarks.append(f"not understood and ignored: {shown}")
    return chosen


def _longest_phrase(words: list[str], originals: list[str], position: int) -> tuple[str | None, int]:
    for length in range(min(_LONGEST_PHRASE, len(words) - position), 0, -1):
        phrase = " ".join(words[position : position + length])
        for form in (phrase, phrase.removesuffix("s")):
            # Capital F and P are not dynamics: F is a note somebody wrote without its octave.
            if len(form) == 1 and originals[position].isupper():
                continue
            token = PHRASES.get(form, form if form in STYLE_TOKENS else None)
            if token is not None:
                return token, length
    return None, 1


def _guess(word: str) -> str | None:
    """Return the known word that a misspelt one probably is."""
    if len(word) < 5 or word in _SILENT_WORDS:
        return None
    known = [phrase for phrase in (*PHRASES, *STYLE_TOKENS) if " " not in phrase and len(phrase) >= 5]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.84)
    return near[0] if near else None
