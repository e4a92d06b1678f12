"""The panel of docs/extending/panel.md works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.report import markup
from harness.report.context import gather

PAGE = Path(__file__).parents[3] / "docs" / "extending" / "panel.md"


def test_the_documented_panel(make_trace, generator, read_page, tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    module: dict = {}
    exec(code, module)
    panel = module["panel"](gather(make_trace("<b>A4", steps=3), generator.codec, 2))
    assert list(panel.figures["silence-rms"].figure().data[0].x) == pytest.approx([0, 2 / 3])
    (tmp_path / "page.html").write_text(markup.render("x", [panel], ()), encoding="utf-8")
    page = read_page(tmp_path / "page.html")
    assert "2 steps of '<b>A4'." in page.one("section", id="silence").content
