"""The page as a document: what it may load, what it escapes, what it holds, and what it does with poor traces."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import json
import re
from typing import Any

import numpy as np
import pytest

from generators.codecs.closed_form import FACTORS, ClosedFormCodec
from harness.errors import InputError, StorageError
from harness.report.page import build_report
from harness.report.panels import PANELS

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)> ' & &amp; &lt;b&gt;",
    "{{ 7 * 7 }} {% raw %} ${7*7} `x`",
    "line\u2028separator\u2029paragraph",
    "日本語 🎺 é \u202egnitirw",
    "javascript:alert(1) data:text/html,<b>",
    "<!-- --> ]]> <!--<script>",
    "'; rm -rf ~; echo '$(whoami)",
    "word " * 2000,
]


@pytest.fixture
def page(make_trace, generator, read_page, tmp_path):
    """Page of a trace made with the given settings."""

    def build(*args: Any, **settings: Any):
        report = build_report(make_trace(*args, **settings), generator.codec, tmp_path / "report.html")
        return read_page(report.path)

    return build


@pytest.fixture
def policy():
    return lambda page: {
        words[0]: words[1:]
        for words in (
            part.split()
            for part in page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"].split(";")
        )
    }


def test_only_the_pages_own_scripts_may_run_and_nothing_may_load(page, policy):
    built = page()
    rules = policy(built)
    assert rules["default-src"] == ["'none'"]
    running = [script for script in built.all("script") if "type" not in script.attributes]
    hashes = [base64.b64encode(hashlib.sha256(script.content.encode()).digest()).decode() for script in running]
    assert rules["script-src"] == [f"'sha256-{digest}'" for digest in hashes]
    assert len(running) == 2
    for element in built.all():
        assert not [name for name in element.attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action", "data"):
            target = element.attributes.get(name)
            assert target is None or target.startswith(("#", "data:")), f"<{element.tag} {name}={target[:80]!r}>"
    assert "url(" not in built.one("style").content
    assert "@import" not in built.one("style").content


@pytest.mark.parametrize("prompt", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_prompts_are_shown_and_do_nothing(page, policy, prompt):
    built = page(prompt, steps=2)
    assert built.one("blockquote").content == prompt
    assert json.loads(built.one(id="request-text").content)["prompt"] == prompt
    assert len(built.all("script")) == 2 + len(built.all("figure"))
    assert not built.all("svg")
    assert not built.all("img")
    assert all(prompt not in json.dumps(plot, ensure_ascii=False) for plot in built.plots().values())


def test_a_trace_shows_itself_in_a_notebook(make_trace):
    shown = make_trace(HOSTILE[0], steps=6, stop_at=4)._repr_html_()
    assert "<script>" not in shown
    assert "4 of 6, incomplete" in shown


def test_headings_do_not_skip_levels_and_ids_are_unique(page):
    built = page()
    levels = [int(element.tag[1]) for element in built.all() if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [element.attributes["id"] for element in built.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in built.all():
        for name in ("for", "aria-labelledby", "aria-describedby", "data-for", "data-figure", "data-copy"):
            assert element.attributes.get(name, ids[0]) in ids


def test_every_panel_is_a_section_that_the_navigation_reaches(page):
    built = page()
    missing = ("decoded", "guidance", "features")  # this trace has no guidance and was not decoded
    there = [name for name in PANELS if name not in missing]
    assert [section.attributes["id"] for section in built.all("section")] == there
    assert [link.attributes["href"] for link in built.one("nav").all("a")] == [f"#{name}" for name in there]


def test_every_figure_has_a_title_a_caption_with_numbers_and_a_table(page):
    built = page()
    figures = built.all("figure")
    assert len(figures) == len(built.plots()) == 8
    for figure in figures:
        assert figure.all("h3")[0].content
        assert re.search(r"\d", figure.all("figcaption")[0].content)
        rows = figure.all("details")[0].all("tr")
        widths = {len(row.all("th") + row.all("td")) for row in rows}
        assert len(rows) > 1
        assert len(widths) == 1


def test_numbers_are_typed_arrays_of_at_most_512_frames(page):
    built = page(steps=12, duration_s=12.0)

    def check(value: Any, where: str) -> None:
        if isinstance(value, dict) and "bdata" in value:
            assert value["dtype"] in ("f4", "i1", "u1"), where
            shape = [int(size) for size in str(value.get("shape", "0")).split(",")]
            assert shape[-1] <= 512, where
        elif isinstance(value, dict):
            for name, item in value.items():
                check(item, f"{where}.{name}")
        elif isinstance(value, list):
            numbers = [item for item in value if isinstance(item, int | float) and not isinstance(item, bool)]
            assert len(numbers) <= 20, where
            for item in value:
                check(item, where)

    for name, plot in built.plots().items():
        check(plot["data"], name)


def test_default_run_stays_within_the_size_budget(page, tmp_path):
    built = page(steps=32, duration_s=4.5)
    assert (tmp_path / "report.html").stat().st_size < 8e6
    assert len(built.all("audio", class_="step-clip")) == 9


def test_every_decoded_step_has_a_player_and_the_first_and_last_are_among_them(page):
    built = page(steps=12)
    players = built.all("audio", class_="step-clip")
    assert len(players) == 9
    assert built.one(id="step-slider").attributes["max"] == "8"
    assert "Step 0 of 12" in players[0].attributes["data-text"].replace("\xa0", " ")
    assert "Step 11 of 12" in players[-1].attributes["data-text"].replace("\xa0", " ")


def test_the_finding_is_on_the_page_and_in_the_report(make_trace, generator, read_page, tmp_path):
    trace = make_trace("A4 loud bright", steps=6)
    report = build_report(trace, generator.codec, tmp_path / "r.html")
    assert report.path == tmp_path / "r.html"
    shown = read_page(report.path).one("p", class_="finding").content.replace("\xa0", " ")
    assert shown == report.finding
    assert "itch was decided by step 0 of 6" in report.finding or "pitch by step 0" in report.finding


def test_an_incomplete_trace_says_what_is_missing(make_trace, generator, read_page, tmp_path):
    trace = make_trace(steps=6, stop_at=4)
    report = build_report(trace, generator.codec, tmp_path / "r.html")
    page = read_page(report.path)
    assert "4 of 6 steps were finished" in page.all("p", role="note")[0].content
    assert "clean estimate of the last finished step" in page.one(id="emergence-chart-caption").content
    assert len(page.all("audio", class_="step-clip")) == 4
    assert report.finding.startswith("After 4 of 6 steps, compared with the clean estimate of the last finished step: ")


def test_a_trace_without_a_finished_step_still_gives_a_page(make_trace, generator, read_page, tmp_path):
    trace = make_trace(steps=6, stop_at=1)
    trace.steps = 0  # what a run killed during its first update leaves
    page = read_page(build_report(trace, generator.codec, tmp_path / "r.html").path)
    assert "0 of 6 steps" in page.all("p", role="note")[0].content
    assert "nothing to compare" in page.one("p", class_="finding").content
    assert not page.all("figure")
    assert page.one(id="command-text").content.startswith("harness generate")


def test_two_steps_are_enough(page):
    built = page(steps=2)
    assert len(built.all("audio", class_="step-clip")) == 2


@pytest.mark.parametrize("samples", [0, 1, 700], ids=lambda count: f"{count} samples")
def test_very_short_audio(page, samples):
    audio = np.full((1, samples), 0.1, np.float32)
    built = page(audio=audio)
    assert built.one(id="final-audio").attributes["src"].startswith("data:audio/")
    notes = [note.content for note in built.all("p", role="note")]
    assert any("no audio" in note for note in notes) == (samples == 0)


def test_silence_has_no_pitch_and_no_timbre(make_trace, generator, tmp_path):
    trace = make_trace(audio=np.zeros((1, 11264), np.float32))
    finding = build_report(trace, generator.codec, tmp_path / "r.html").finding
    assert "The final audio has no pitch." in finding
    assert "The final audio has no timbre." in finding
    assert "Loudness was never decided for good" in finding


def test_audio_that_is_not_finite_becomes_silence_with_a_note(page):
    built = page(audio=np.full((1, 11264), np.nan, np.float32))
    assert any("not finite" in note.content for note in built.all("p", role="note"))


def test_long_traces_are_decoded_from_their_beginning_only(page, monkeypatch):
    monkeypatch.setattr("harness.report.context.EXCERPT_S", 0.25)
    built = page(duration_s=1.0)
    assert any("first 0.25 seconds only" in note.content for note in built.all("p", role="note"))
    heat = built.plots()["trajectory-pitch"]["data"][0]["z"]
    assert heat["shape"] == "6, 5"


def test_guided_traces_work(page):
    built = page("A4", scale=1.5)
    assert "--guidance-scale 1.5" in built.one(id="command-text").content


def test_another_codec_is_refused_before_anything_is_written(make_trace, tmp_path):
    other = ClosedFormCodec((dataclasses.replace(FACTORS[0], norm=1.0), *FACTORS[1:]))
    with pytest.raises(InputError, match=r"made with codec 'closed-form', weights \w{12}; this is"):
        build_report(make_trace(), other, tmp_path / "r.html")
    assert not list(tmp_path.glob("*.html*"))


@pytest.mark.parametrize("count", [1, 0, -3])
def test_too_few_audio_steps_are_refused(make_trace, generator, tmp_path, count):
    with pytest.raises(InputError, match=f"audio_steps is {count}; give 2 or more"):
        build_report(make_trace(), generator.codec, tmp_path / "r.html", audio_steps=count)


def test_an_output_that_cannot_be_written_leaves_nothing(make_trace, generator, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        build_report(make_trace(), generator.codec, tmp_path / "file" / "r.html")
    assert (tmp_path / "file").read_text() == "a file, not a folder"


def test_building_twice_gives_the_same_page(make_trace, generator, tmp_path):
    trace = make_trace()
    pages = [build_report(trace, generator.codec, tmp_path / f"{i}.html").path.read_bytes() for i in range(2)]
    assert pages[0] == pages[1]
