"""The page of a paired experiment, as a document."""

from __future__ import annotations

import re

import pytest

from generators.base import GenerationRequest
from harness.interventions.call import Call
from harness.pipeline import run
from harness.report.paired import build_paired_report
from harness.runs import TRACE
from harness.steering.experiment import steer_recorded
from harness.store.reader import open_trace

HOSTILE = '</script><script>alert("x")</script> C4 & loud'


@pytest.fixture
def page(generator, tmp_path):
    """The page of a small experiment on a hostile prompt."""
    request = GenerationRequest(HOSTILE, duration_s=0.4, num_inference_steps=4)
    run(generator, [request], tmp_path / "run", trace=True)
    with open_trace(tmp_path / "run" / TRACE) as trace:
        edits = [Call(lambda value, point: 1.2 * value)]
        result = steer_recorded(trace, generator, edits, tmp_path / "out", strengths=(0.5,), seeds=2)
    report = build_paired_report(result, tmp_path / "out" / "report.html")
    assert report.finding.startswith("The edit moved")
    return report.path.read_text(encoding="utf-8")


def test_page_has_every_panel_player_and_figure(page):
    assert [f'<section id="{name}"' in page for name in ("paired", "paired-sound", "dose", "leakage")] == [True] * 4
    assert re.findall(r'<audio id="(\w+)-audio"', page) == ["baseline", "steered", "control"]
    assert page.count("data-clock>") == 1
    figures = set(re.findall(r'data-for="([\w-]+)"', page))
    assert figures == {"paired-tracks", "paired-spectrograms", "dose-response", "leakage-matrix"}
    assert page.count("<figcaption") == page.count("<figure>") == len(figures)


def test_prompt_is_escaped_and_nothing_is_loaded(page):
    body = page[: page.index("plotly.js v")] if "plotly.js v" in page else page
    assert HOSTILE not in page
    assert "&lt;/script&gt;&lt;script&gt;alert" in body
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r'<(?:script|link|img|audio)[^>]+(?:src|href)="(?!data:)[^"]', body)
