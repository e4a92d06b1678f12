from __future__ import annotations

import subprocess

import pytest

from generators.base import RequestError
from generators.diffrhythm.lyrics import english, mandarin
from generators.diffrhythm.lyrics.numerals import written_out
from generators.diffrhythm.lyrics.phones import ids_of, phone_ids
from generators.diffrhythm.lyrics.pronunciation import pronounce, runs
from tests.generators.diffrhythm.lyrics.recorded import needs_chinese, needs_english, read_json

RECORDED = read_json("g2p")


def espeak_version():
    return subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout


@needs_english
@pytest.mark.parametrize("line", RECORDED["english"], ids=lambda line: line["text"])
def test_english_lines(line):
    expected = [phone for phone in line["phones"].split("|") if phone]
    actual = pronounce(line["text"])
    if RECORDED["espeak_ng"] not in espeak_version():
        # Versions before 1.52 keep the vowels of "four" and "for" apart.
        expected, actual = ([phone.replace("oːɹ", "ɔːɹ") for phone in phones] for phones in (expected, actual))
    else:
        assert list(ids_of(actual)) == line["model_ids"]
    assert actual == expected


@needs_english
@needs_chinese
@pytest.mark.parametrize("line", RECORDED["mixed_chinese_english_indicative"], ids=lambda line: line["text"])
def test_mixed_lines(line):
    assert [[run, language] for language, run in runs(line["text"])] == line["segments"]
    assert pronounce(line["text"]) == [phone for phone in line["phones"].split("|") if phone]
    assert list(ids_of(pronounce(line["text"]))) == line["model_ids"]


@pytest.mark.parametrize("words", [words for words in RECORDED["raises"] if words != "こんにちは"])
def test_lines_the_original_stops_at_are_empty(words):
    assert pronounce(words) == []


@pytest.mark.parametrize("words", ["こんにちは", "hello мир", "사랑", "ｱ", "مرحبا"])
def test_other_scripts(words):
    with pytest.raises(RequestError, match="Chinese and English only"):
        pronounce(words)


def test_runs():
    assert list(runs("... 1 hello 2, 你好! x")) == [("en", "... 1 hello 2, "), ("zh", "你好! "), ("en", "x")]
    assert list(runs("12 ...")) == []


@needs_english
def test_a_gap_stands_between_english_and_chinese():
    assert english.phones("stop") == ["s", "t", "ɑː", "p", "_"]
    assert english.phones("bird")[-1] == "d"
    assert pronounce("stop")[-1] == "p"


@needs_english
def test_what_typography_adds_is_not_spoken():
    assert pronounce("“Don’t!” — (she said)") == pronounce("Don't! she said")


@needs_english
@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("$1", "one dollar"),
        ("$0.50", "fifty cents"),
        ("$12.01", "twelve dollars, one cent"),
        ("£1,200", "twelve hundred pounds"),
        ("1999", "nineteen ninety-nine"),
        ("2000", "two thousand"),
        ("2007", "two thousand seven"),
        ("1001", "ten oh one"),
        ("1900", "nineteen hundred"),
        ("1000", "one thousand"),
        ("12,345", "twelve thousand, three hundred forty-five"),
        ("1/2 3/4 2/3 5/2 1/0", "one half three quarters two thirds five halves one over zero"),
        ("3.5%", "three point five percent"),
        ("the 21st", "the twenty-first"),
        ("no digits", "no digits"),
    ],
)
def test_numbers(text, spoken):
    assert written_out(text) == spoken


@needs_chinese
@pytest.mark.parametrize(
    ("words", "syllables"),
    [
        ("你好", "ni2 hao3"),
        ("不要", "bu2 yao4"),
        ("不好", "bu4 hao3"),
        ("对不起", "dui4 bu5 qi3"),
        ("一起", "yi4 qi3"),
        ("一样", "yi2 yang4"),
        ("看一看", "kan4 yi5 kan4"),
        ("统一", "tong3 yi1"),
        ("第一次", "di4 yi1 ci4"),
        ("一百", "yi1 bai3"),
        ("一月", "yi1 yue4"),
        ("花儿", "hua1 er5"),
        ("女儿", "nv3 er2"),
    ],
)
def test_tones_as_spoken(words, syllables):
    assert mandarin.phones(words) == [phone for one in syllables.split() for phone in mandarin._phones(one)]


@needs_chinese
def test_numbers_and_marks_in_chinese():
    assert mandarin.phones("我有3个 ，不贵。a") == mandarin.phones("我有三个,不贵.")
    assert mandarin.phones("，。") == [",", "."]


def test_the_syllable_table():
    table = read_json("pinyin_table")["table"]
    assert len(table) == 2145
    for syllable, (phones, ids) in table.items():
        assert mandarin._phones(syllable) == phones
        assert list(ids_of(phones)) == ids
    assert mandarin._phones("boo3") == []


def test_the_phones():
    assert len(phone_ids()) == 363
    assert (phone_ids()["ç"], phone_ids()["c\u0327"]) == (69, 324)
    assert ids_of(["h", "unknown", "…"]) == (42, 363)


@pytest.mark.parametrize(("words", "package"), [("hello", "phonemizer"), ("你好", "jieba")])
def test_a_missing_package_is_named(monkeypatch, words, package):
    def refuse(name, *args):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return original(name, *args)

    original = __import__("importlib").import_module
    monkeypatch.setattr("importlib.import_module", refuse)
    mandarin._segmenter.cache_clear()
    with pytest.raises(RequestError, match=rf"need the package '{package}': pip install .*\[lyrics\]"):
        pronounce(words)


@needs_english
def test_a_missing_espeak_is_named(monkeypatch):
    monkeypatch.setattr("phonemizer.backend.EspeakBackend.is_available", classmethod(lambda cls: False))
    english._backend.cache_clear()
    with pytest.raises(RequestError, match="apt install espeak-ng"):
        pronounce("hello")
    english._backend.cache_clear()
