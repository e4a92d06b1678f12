from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.diffrhythm.lyrics.lrc import read_original, read_tolerant
from tests.generators.diffrhythm.lyrics.recorded import read_json

CASES = read_json("placement")["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_original_rules(case):
    assert [[line.time_s, line.words] for line in read_original(case["lrc"]).lines] == case["parsed"]


def test_what_the_original_overlooks_is_said():
    text = (
        "\n\n[ti:t]\nno stamp\n[1:03.00]short\n[00:05.123]three\n[00:10.00][00:20.00]double\n[00:nan  ]x\n[00:07.00]ok"
    )
    reading = read_original(text)
    assert [line.number for line in reading.lines] == [6, 7, 9]
    left_out, misread = reading.remarks
    assert left_out.startswith("lines 4, 5, 8 were left out")
    assert misread.startswith("lines 6, 7 were read with a part of the stamp")
    assert read_original("[00:07.00]ok").remarks == ()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("[00:05.123]three digits", [(5.123, "three digits")]),
        ("[00:05.5]one digit", [(5.5, "one digit")]),
        ("[1:03]no fraction", [(63, "no fraction")]),
        ("[100:00.00]late", [(6000, "late")]),
        ("[00:05:25]colon", [(5.25, "colon")]),
        ("[00:05,25]comma", [(5.25, "comma")]),
        ("  [ 00:05.25 ]  blanks  here ", [(5.25, "blanks here")]),
        ("[00:20.00][00:10.00]chorus", [(10, "chorus"), (20, "chorus")]),
        ("[00:01.00]<00:01.00>word <00:01.50>stamps", [(1, "word stamps")]),
        ("\ufeff[00:01.00]marked", [(1, "marked")]),
        ("[00:02.00]second\r\n[00:01.00]first", [(1, "first"), (2, "second")]),
        ("[offset:+1500]\n[00:02.00]early", [(0.5, "early")]),
        ("[00:02.00]late\n[offset: -500]", [(2.5, "late")]),
        ("[offset:9000]\n[00:02.00]not before zero", [(0, "not before zero")]),
        ("[ti:title]\n[00:02.00]\n\n", [(2, "")]),
    ],
)
def test_the_tolerant_rules(row, expected):
    reading = read_tolerant(row)
    assert [(line.time_s, line.words) for line in reading.lines] == expected
    assert reading.remarks == ()


def test_what_is_no_lrc_is_said():
    reading = read_tolerant("[00:01.00]ok\nwords alone\n[offset:soon]\n" + "x\n" * 20)
    assert len(reading.lines) == 1
    (remark,) = reading.remarks
    assert remark.startswith("lines 2, 3, 4, 5, 6, 7, 8, 9, ... were left out")


WORDS = st.text(alphabet="abc d'", max_size=8).map(lambda text: " ".join(text.split()))


@given(st.lists(st.tuples(st.integers(0, 99 * 6000), WORDS), unique_by=lambda item: item[0]))
def test_both_rules_agree_on_plain_files(items):
    rows = [f"[{t // 6000:02}:{t % 6000 // 100:02}.{t % 100:02}]{words}" for t, words in sorted(items)]
    text = "\n".join(rows)
    original, tolerant = read_original(text), read_tolerant(text)
    assert original == tolerant
    assert [round(100 * line.time_s) for line in original.lines] == [t for t, _ in sorted(items)]


@given(st.text())
def test_any_text_can_be_read(text):
    for read in (read_original, read_tolerant):
        assert all(line.time_s < float("inf") for line in read(text).lines)
