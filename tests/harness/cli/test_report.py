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


def test_options_reach_the_page(generate, invoke, tmp_path):
    assert generate("--prompt", "C4 loud", "--trace", "--steps", "4").exit_code == 0
    page = tmp_path / "page.html"
    options = ("--out", page, "--audio", "all", "--assets", tmp_path / "sounds", "--generator", "closed-form")
    result = invoke("report", tmp_path / "run", *options, "--watch")
    assert result.exit_code == 0, result.stderr
    assert len(list((tmp_path / "sounds").iterdir())) == 5
    assert page.read_text(encoding="utf-8").count('class="step-clip"') == 4


def test_a_moved_run_folder_still_has_a_report(generate, invoke, tmp_path):
    assert generate("--prompt", "C4", "--trace").exit_code == 0
    (tmp_path / "run").rename(tmp_path / "moved")
    result = invoke("report", tmp_path / "moved")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "moved" / "report.html").is_file()


def test_several_runs_need_their_decodes(generate, invoke, tmp_path):
    assert generate("--prompt", "C4", "--prompt", "A4", "--trace").exit_code == 0
    result = invoke("report", tmp_path / "run")
    assert result.exit_code == 2
    assert "not decoded" in result.stderr
    refused = invoke("report", tmp_path / "run", "--watch")
    assert refused.exit_code == 2
    assert "--watch is for the report of one run; 2 were given" in refused.stderr


def test_audio_is_a_number_or_all(invoke, tmp_path):
    for given in ("1", "none", "-3"):
        result = invoke("report", tmp_path, "--audio", given)
        assert result.exit_code == 2
        assert "neither a number from 2 nor 'all'" in result.stderr
