from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.reproduce.prompts import built_in, read_captions


def test_our_own_list_repeats_late():
    assert len(set(built_in(60))) == 60
    assert built_in(61)[60] == built_in(1)[0]


def test_captions_of_musiccaps_form(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text('ytid,caption\n1,"A song, slow"\n2,\n3,Loud\n', encoding="utf-8-sig")
    assert read_captions(path, 2) == ["A song, slow", "Loud"]
    with pytest.raises(InputError, match="holds 2 captions; 3"):
        read_captions(path, 3)


@pytest.mark.parametrize(("content", "words"), [(b"a,b\n1,2\n", "no column 'caption'"), (b"\xff\xfe\x00", "cannot be")])
def test_other_files(tmp_path, content, words):
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_captions(path, 1)
    with pytest.raises(InputError, match="cannot be read"):
        read_captions(tmp_path / "missing.csv", 1)
