from __future__ import annotations

import json


def test_table_and_page(invoke, tmp_path):
    shown = invoke(
        "compare-steps", "--prompt", "C4 <b>", "--generator", "closed-form", "--duration", "0.2", "--steps", "3,6",
        "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert list(document["arms"]) == ["6 steps", "3 steps"]
    assert set(document["spread"]) >= {"distance to its own end", "distance to the reference's end"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "log-SNR" in page
    assert "<b>" not in page.split("</style>")[1].split("<script")[0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "3-steps", "6-steps", "compare.json", "report.html",
    ]  # fmt: skip


def test_bad_input(invoke, tmp_path):
    shown = invoke("compare-steps", "--prompt", "a", "--steps", "8", "--out", tmp_path / "out")
    assert shown.exit_code == 2
    assert "nothing to compare" in shown.stderr
    assert not (tmp_path / "out").exists()
