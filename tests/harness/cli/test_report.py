from __future__ import annotations

import json


def test_generate_with_report(generate, tmp_path):
    result = generate("--prompt", "C4 loud", "--report", "--duration", "1", "--json")
    assert result.exit_code == 0, result.stderr
    (run,) = json.loads(result.stdout)["runs"]
    assert run["trace"] == str(tmp_path / "run" / "trace.h5")
    assert run["report"] == str(tmp_path / "run" / "report.html")
    assert "<html" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_report_of_a_trace(generate, invoke, tmp_path):
    assert generate("--prompt", "C4 loud", "--trace", "--duration", "1").exit_code == 0
    page = tmp_path / "run" / "report.html"
    result = invoke("report", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["report"] == str(page)
    assert document["finding"]
    assert page.is_file()

    again = invoke("report", tmp_path / "run")
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert invoke("report", tmp_path / "run", "--force").stdout.splitlines()[-1] == str(page)
