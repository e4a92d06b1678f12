"""Reading prompts: every way of writing the same wish gives the same notes and style."""

from __future__ import annotations

import pytest

from generators.mini.prompt import MAX_NOTES, read
from generators.mini.vocabulary import (
    BRIGHTNESS_DB_PER_OCTAVE,
    HIGHEST_MIDI,
    INSTRUMENTS,
    LEVELS_LUFS,
    LOWEST_MIDI,
    PHRASES,
    STYLE_TOKENS,
)


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("A4 then C5", (69, 72)),
        ("Bb3", (58,)),
        ("bb3 on piano", (58,)),
        ("B flat 3", (58,)),
        ("B♭3 and F♯4", (58, 66)),
        ("F sharp 4 and G4", (66, 67)),
        ("C major arpeggio", (60, 64, 67, 72)),
        ("an A minor arpeggio", (69, 72, 76, 81)),
        ("Eb3 minor triad", (51, 54, 58, 63)),
        ("The notes C, E and G", (60, 64, 67)),
        ("C4-E4-G4", (60, 64, 67)),
        ("A4, rest, A4", (69, None, 69)),
        ("a gentle melody", None),
        ("A gentle melody", None),
        ("a 4 second clip", None),
        ("440 Hz", None),
        ("rest", None),
        ("", None),
    ],
)
def test_notes(text: str, notes: tuple[int | None, ...] | None) -> None:
    assert read(text).notes == notes


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("a gentle bright flute melody", ("flute", "p", "bright")),
        ("BRIGHT, VERY LOUD FLUTES!", ("flute", "ff", "bright")),
        ("melody of a flute: very loud and bright", ("flute", "ff", "bright")),
        ("muted trumpet, pp", ("trumpet", "pp", "dark")),
        ("fortissimo fiddle", ("violin", "ff", None)),
        ("mezzo forte alto sax", ("saxophone", "mf", None)),
        ("piano", ("piano", None, None)),
        ("", (None, None, None)),
    ],
)
def test_style(text: str, style: tuple[str | None, ...]) -> None:
    prompt = read(text)
    assert (prompt.instrument, prompt.level, prompt.brightness) == style
    assert not prompt.remarks


def test_unknown_words_are_named_and_change_nothing() -> None:
    plain, odd = read("loud flute A4"), read("loud zorbly flute A4 \N{MUSICAL KEYBOARD}")
    assert odd.remarks == ("not understood and ignored: 'zorbly'",)
    assert (odd.notes, odd.instrument, odd.level) == (plain.notes, plain.instrument, plain.level)


def test_a_misspelt_word_is_guessed_and_said() -> None:
    prompt = read("clarinett solo")
    assert prompt.instrument == "clarinet"
    assert "clarinett" in prompt.remarks[0]


def test_contradictions_keep_the_first_and_are_said() -> None:
    prompt = read("loud then quiet oboe")
    assert prompt.level == "f"
    assert len(prompt.remarks) == 1


def test_notes_outside_the_range_move_by_octaves() -> None:
    prompt = read("C2 then C7")
    assert prompt.notes == (LOWEST_MIDI, HIGHEST_MIDI)
    assert len(prompt.remarks) == 2


def test_too_many_notes_are_cut_and_said() -> None:
    prompt = read(" ".join(["A4"] * (MAX_NOTES + 3)))
    assert prompt.notes is not None
    assert len(prompt.notes) == MAX_NOTES
    assert prompt.remarks


@pytest.mark.parametrize("text", ["x" * 10_000, "A4 " * 3000, "<script>alert(1)</script>", "\0\n\t", "ｆｌｕｔｅ"])
def test_nothing_breaks_the_reader(text: str) -> None:
    read(text)


def test_every_phrase_stands_for_a_token_of_one_group() -> None:
    assert set(PHRASES.values()) <= set(STYLE_TOKENS)
    assert len(STYLE_TOKENS) == len(INSTRUMENTS) + len(LEVELS_LUFS) + len(BRIGHTNESS_DB_PER_OCTAVE)
    for phrase, token in PHRASES.items():
        prompt = read(phrase)
        assert token in (prompt.instrument, prompt.level, prompt.brightness), phrase
