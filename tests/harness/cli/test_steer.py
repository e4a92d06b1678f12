from __future__ import annotations

import json

import pytest

from tests.harness.cli.test_decode import assert_fails


@pytest.fixture
def steer(generate, invoke, fitted, tmp_path):
    """Generate ``tmp_path/run``, 6 frames in 4 steps; run ``harness steer`` on it with the fitted SAE and probes."""
    assert generate("--prompt", "C4 loud", "--trace", "--steps", "4", "--duration", "0.27").exit_code == 0

    def run(*args):
        return invoke(
            "steer", tmp_path / "run", "--sae", fitted.sae, "--probes", fitted.probes, "--out", tmp_path / "out",
            "--seeds", "2", "--strengths", "0.5", *args,
        )  # fmt: skip

    return run


def test_json_keys_files_and_report(steer, tmp_path):
    result = steer("--set", "loudness=-6dB", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    for arm in ("baseline", "steered", "control"):
        assert set(document[arm]) == {"audio", "trace"}
        assert (tmp_path / "out" / arm / "audio.wav").is_file()
    for effect in document["effect"].values():
        assert set(effect) == {"baseline", "steered", "control", "unit", "target", "reached"}
    assert document["effect"]["loudness"]["target"] == pytest.approx(document["effect"]["loudness"]["baseline"] - 6)
    assert document["report"] == str(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").is_file()
    assert "loudness" in result.stderr


def test_words_for_people(steer):
    result = steer("--steer", "feature:3*2")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert [line.split()[0] for line in result.stdout.splitlines()[:4]] == ["property", "pitch", "loudness", "timbre"]


@pytest.mark.parametrize(
    ("given", "phrase"),
    [
        ((), "--set"),
        (("--set", "feature:3*2"), "--steer"),
        (("--set", "brightness=+3"), "brightness"),
        (("--set", "pitch=+nan"), "expected a number"),
        (("--set", "pitch=+3st@t:0.5-2"), "0 to 1"),
        (("--steer", "feature:99999*2"), "no feature 99999"),
        (("--set", "loudness=-6dB", "--seeds", "0"), "--seeds"),
    ],
)
def test_bad_arguments_leave_nothing(steer, tmp_path, given, phrase):
    result = steer(*given)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "error: " in result.stderr
    assert phrase in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_taken_folder_and_a_missing_run_are_refused(steer, invoke, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert_fails(steer("--set", "loudness=-6dB"), 1, "not empty")
    assert_fails(
        invoke("steer", tmp_path / "none", "--set", "pitch=+3st", "--out", tmp_path / "o"), 2, "does not exist"
    )


def test_the_folder_is_an_experiment_to_report_and_three_runs_to_decode(steer, invoke, fitted, tmp_path):
    assert steer("--set", "loudness=-6dB").exit_code == 0
    own = ("--sae", fitted.sae, "--probes", fitted.probes)
    decoded = invoke("decode", tmp_path / "out", *own, "--json")
    document = json.loads(decoded.stdout)
    assert document["aggregated"] == []
    kinds = {run["trace"].split("/")[-2]: [item["kind"] for item in run["interventions"]] for run in document["runs"]}
    assert kinds == {"baseline": [], "steered": ["set-property"], "control": ["random-direction"]}
    assert "4 steps, steered by set-property" in decoded.stderr

    page = (tmp_path / "out" / "report.html").read_text()
    (tmp_path / "out" / "report.html").unlink()
    again = invoke("report", tmp_path / "out", "--json")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["report"] == str(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text() == page
    assert_fails(invoke("report", tmp_path / "out"), 1, "--force")
    assert_fails(invoke("report", tmp_path / "out", "--force", *own[2:]), 2, "--probes is for the report of one run")


def test_runs_steered_alike_are_decoded_together(generate, invoke, fitted, tmp_path):
    own = ("--sae", fitted.sae, "--probes", fitted.probes)
    common = ("--prompt", "C4", "--prompt", "A4", "--trace", "--steps", "4", "--duration", "0.27", *own)
    assert generate(*common, "--out", tmp_path / "runs" / "plain").exit_code == 0
    assert generate(*common, "--steer", "feature:3*2", "--out", tmp_path / "runs" / "more").exit_code == 0
    result = invoke("decode", tmp_path / "runs", *own, "--json")
    groups = json.loads(result.stdout)["aggregated"]
    assert sorted((len(group["traces"]), len(group["interventions"])) for group in groups) == [(2, 0), (2, 1)]
    assert "2 runs together, steered by scale" in result.stderr
    report = invoke("report", tmp_path / "runs", "--json")
    assert json.loads(report.stdout)["finding"].startswith("Over 2 runs")
    assert "2 runs, steered by scale, 4 steps" in (tmp_path / "runs" / "report.html").read_text()
