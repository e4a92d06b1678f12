from __future__ import annotations

import pytest

from analysis.files import replace_file, replacing


def test_what_was_there_stays_until_the_end_and_after_a_failure(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")

    def stop_half_way() -> None:
        with replacing(file) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_half_way()
    assert file.read_text() == "old"
    replace_file(file, b"new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "file"
    with replacing(file) as first:
        first.write_text("first")
        with replacing(file) as second:
            second.write_text("second")
        assert file.read_text() == "second"
        assert first.read_text() == "first"
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]
