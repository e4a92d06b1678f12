"""Size limit, sounds beside the page, and pages that follow a generation."""

from __future__ import annotations

import shutil

import pytest

from harness.errors import InputError, StorageError
from harness.report import writing
from harness.report.page import build_report
from harness.report.watch import watch


def test_a_page_that_is_too_large_offers_a_way_out(make_trace, generator, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MOST_BYTES", 1_000_000)
    with pytest.raises(InputError, match=r"would be \d+ MB.*give --assets DIR .* or fewer steps by --audio N"):
        build_report(make_trace(steps=2), generator.codec, tmp_path / "r.html")
    assert list(tmp_path.glob("*.html*")) == []


def test_sounds_in_files_beside_the_page(make_trace, generator, read_page, tmp_path):
    prompt = 'src="data:audio/mpeg;base64,AAAA" media-src data:;'
    trace = make_trace(prompt, steps=3)
    build_report(trace, generator.codec, tmp_path / "r.html", assets=tmp_path / "so unds")
    page = read_page(tmp_path / "r.html")
    sources = [audio.attributes["src"] for audio in page.all("audio") if "src" in audio.attributes]
    assert len(sources) == 4
    assert sources[0] == "so%20unds/r-000.mp3"
    files = sorted((tmp_path / "so unds").iterdir())
    assert [f"so%20unds/{file.name}" for file in files] == sources
    assert all(file.stat().st_size > 500 for file in files)
    assert page.one("blockquote").content == prompt
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert "media-src data: 'self' file:" in policy


def test_sounds_that_cannot_be_written_leave_no_page(make_trace, generator, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="cannot write into"):
        build_report(make_trace(steps=2), generator.codec, tmp_path / "r.html", assets=tmp_path / "taken")
    assert not (tmp_path / "r.html").exists()


def test_all_steps_can_be_heard(make_trace, generator, read_page, tmp_path):
    build_report(make_trace(steps=12), generator.codec, tmp_path / "r.html", audio_steps=None)
    assert len(read_page(tmp_path / "r.html").all("audio", class_="step-clip")) == 12


def test_watching_builds_again_until_the_trace_is_whole(make_trace, tmp_path, monkeypatch):
    growing = tmp_path / "growing.h5"
    stopped, whole = make_trace(steps=4, stop_at=2).path, make_trace(steps=4).path
    stages = iter([stopped, stopped, whole])
    monkeypatch.setattr("harness.report.watch.time.sleep", lambda seconds: shutil.copy(next(stages), growing))
    shutil.copy(stopped, growing)
    assert list(watch(growing, lambda trace: (trace.steps, trace.complete))) == [(2, False), (4, True)]
