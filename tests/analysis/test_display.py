"""What results show of themselves in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from analysis.display import HEIGHT, WIDTH, facts_html, line_svg
from analysis.emergence.accumulator import EmergenceAccumulator
from analysis.sae.base import build
from analysis.sae.config import SAEConfig

HOSTILE = '</td><script>alert(1)</script>" onload="x'


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_facts_are_escaped():
    shown = Tags(facts_html(HOSTILE, {HOSTILE: HOSTILE}))
    assert set(shown.tags) == {"div", "strong", "table", "tr", "th", "td"}
    assert shown.text == HOSTILE * 3


def test_line_spans_the_picture_and_leaves_out_what_is_undefined():
    x, undefined = np.array([0.0, 0.5, 1.0]), np.full(3, np.nan)
    drawn = line_svg(x, np.array([0.0, np.nan, 1.0]), undefined, undefined, HOSTILE)
    assert f'<polyline points="0.0,{HEIGHT}.0 {WIDTH}.0,0.0"' in drawn
    assert '<polygon points=""' in drawn
    assert "<script>" not in drawn


def test_curve_shows_itself():
    sums = EmergenceAccumulator("pitch", "semitones", "x1_hat", np.array([0.0, 1.0]), np.array([60.0, 62.0]), 0.5)
    probabilities = np.array([[[0.4, 0.6]] * 8, [[0.9, 0.1]] * 8])
    sums.add("run", probabilities, np.zeros(8, np.int64))
    shown = Tags(sums.curve()._repr_html_())
    assert "Emergence of pitch in x1_hat" in shown.text
    assert "0.00 to 1.00" in shown.text
    assert "polyline" in shown.tags


def test_sae_shows_itself():
    shown = Tags(build(SAEConfig("topk", 4, 8, k=2))._repr_html_()).text
    assert "topk SAE of 8 features" in shown
    assert "not said" in shown
