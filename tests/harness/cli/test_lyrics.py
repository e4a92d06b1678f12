from __future__ import annotations

import json

import pytest

LRC = "[ti:x]\n[00:01.00]20 21 22\n[00:01.05]23\nalone\n[00:03.123]24\n[01:30.00]25\n"


@pytest.fixture
def lyrics(invoke, tmp_path):
    def run(*args, text=LRC):
        (tmp_path / "song.lrc").write_bytes(text if isinstance(text, bytes) else text.encode())
        return invoke("lyrics", tmp_path / "song.lrc", "--lyrics-form", "ids", *args)

    return run


def test_the_table(lyrics):
    result = lyrics("--lrc-rules", "tolerant")
    assert result.exit_code == 0, result.stderr
    header, *rows, summary, left_out, last = (line.split() for line in result.stdout.splitlines())
    assert header[:2] == ["words", "line"]
    assert rows[0] == ['"20', "21", '22"', "2", "00:01.00", "00:00.98", "21", "25", "4"]
    assert [row[-2] for row in rows] == ["25", "27", "69"]
    assert summary[:2] == ["3", "lines"]
    assert "line 4 was left out" in " ".join(left_out)
    assert "line 6 is not sung" in " ".join(last)


def test_json(lyrics, tmp_path):
    document = json.loads(lyrics("--json", "--duration", "96", "--lrc-rules", "tolerant").stdout)
    assert document["path"] == str(tmp_path / "song.lrc")
    assert (document["frames"], document["duration_s"]) == (2067, 96)
    assert [line["line"] for line in document["lines"]] == [2, 3, 5, 6]
    first, second, *_ = document["lines"]
    assert first["tokens"] == [20, 21, 22, 2]
    assert first["phones"][-1] == "."
    assert second["start_frame"] == first["end_frame"] == 25
    assert second["start_s"] == pytest.approx(25 * 2048 / 44100)


def test_the_original_rules_are_the_default(lyrics):
    result = lyrics(text="[00:01.000]20\n[00:02.00]20\n")
    assert result.exit_code == 2
    assert "error: lyrics, line 1: ']20' are not token ids" in result.stderr
    assert lyrics("--lrc-rules", "tolerant", text="[00:01.000]20\n[00:02.000]20\n").exit_code == 0


def test_no_lyrics(lyrics):
    result = lyrics(text="")
    assert result.exit_code == 0
    assert result.stdout == "0 lines on 0 of 2048 frames\n"


@pytest.mark.parametrize(
    ("args", "text", "message"),
    [
        (("--duration", "94"), LRC, "--duration is 94; give 95 (base models) or a whole number from 96 to 285"),
        (("--duration", "300"), LRC, "from 96 to 285"),
        ((), b"\xff[00:01.00]20", "line 1: not UTF-8"),
    ],
)
def test_bad_input(lyrics, args, text, message):
    result = lyrics(*args, text=text)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
