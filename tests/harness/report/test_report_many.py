"""One page about many runs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.decoding.artifacts import read_artifacts
from harness.decoding.decode import decode
from harness.decoding.storage import store
from harness.errors import InputError
from harness.report.many import RunRow, gather_many
from harness.report.multiples import Multiples
from harness.report.page import build_report_of_many
from harness.store.reader import open_trace

PROMPTS = ["A4 loud", '<b onload="x">C4</b>', "A4 loud", "E4"]


@pytest.fixture
def paths(make_trace, fitted, tmp_path):
    """Traces in run folders of their own, decoded; the last two runs have more steps."""
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    found = []
    for seed, prompt in enumerate(PROMPTS):
        trace = make_trace(prompt, seed=seed, steps=4, duration_s=0.5)
        store(trace, decode(trace, artifacts))
        folder = tmp_path / "runs" / f"{seed:03d}: x"
        folder.mkdir(parents=True)
        found.append(trace.path.rename(folder / "trace.h5"))
    return found


def test_page_of_many_runs(paths, read_page, tmp_path):
    (paths[1].parent / "report.html").write_text("a report")
    out = tmp_path / "runs" / "report.html"
    report = build_report_of_many(paths, out)
    page = read_page(out)
    assert [section.attributes["id"] for section in page.all("section")] == ["together", "prompts", "runs"]
    assert report.finding.startswith("Over 4 runs: in half of the frames ")
    rows = page.one("section", id="runs").all("tbody")[0].all("tr")
    assert [row.all("td")[0].content for row in rows] == PROMPTS
    links = page.one("section", id="runs").all("a")
    assert [link.attributes["href"] for link in links] == ["001%3A%20x/report.html"]
    assert {"together-chart", "together-accuracy", "prompts-multiples"} <= set(page.plots())
    assert len(page.one("ol").all("li")) == 3
    assert not page.all("b")
    assert out.stat().st_size < 8e6
    for figure in page.all("figure"):
        assert re.search(r"\d", figure.all("figcaption")[0].content)


def test_row_counts_frames_that_are_decoded_right(paths):
    many = gather_many(paths, paths[0])
    with open_trace(paths[0]) as trace:
        from harness.decoding.storage import read_decoded

        row = RunRow.of(trace, read_decoded(trace))
    curve = many.groups[0].curves["pitch", ("x1_hat", "clean")]
    assert np.mean([each.accuracy["pitch"][-1] for each in many.rows]) == pytest.approx(
        float(curve.accuracy.value[-1]), abs=0.05
    )
    assert row.accuracy["pitch"] == pytest.approx(many.rows[0].accuracy["pitch"])
    assert many.groups[0].commits(row.run, "pitch") is not None
    assert many.groups[0].commits(row.run, "unknown") is None


def test_prompts_are_averaged_over_their_runs(paths):
    many = gather_many(paths, paths[0])
    multiples = Multiples.of(many.rows)
    assert multiples.prompts[0] == "A4 loud"
    assert list(multiples.runs) == [2, 1, 1]
    mean = (many.rows[0].accuracy["pitch"] + many.rows[2].accuracy["pitch"]) / 2
    assert multiples.accuracy[0]["pitch"].value == pytest.approx(mean)
    assert np.isnan(multiples.accuracy[1]["pitch"].low).all()


def test_runs_that_cannot_be_used_are_named(paths, make_trace, read_page, tmp_path):
    undecoded = make_trace(steps=2).path
    out = tmp_path / "all.html"
    build_report_of_many([*paths, undecoded, paths[0]], out)
    page = read_page(out)
    assert "Left out: 2 of 6 runs" in page.one("p", role="note").content
    reasons = page.one("section", id="runs").all("table")[1].content
    assert "not decoded; 'harness decode' does that" in reasons
    assert "is the same run as" in reasons


def test_nothing_to_show_is_refused(make_trace, tmp_path):
    with pytest.raises(InputError, match="none of the runs can be shown"):
        build_report_of_many([make_trace(steps=2).path], tmp_path / "all.html")
    assert not (tmp_path / "all.html").exists()
