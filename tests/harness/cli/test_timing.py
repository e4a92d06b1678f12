from __future__ import annotations

import json

import pytest

from tests.harness.cli.test_decode import assert_fails


@pytest.fixture
def timing(invoke, fitted, tmp_path):
    """Run ``harness timing`` on the closed-form generator with the fitted SAE and probes, 6 frames and 4 steps."""

    def run(*args):
        return invoke(
            "timing", "--generator", "closed-form", "--duration", "0.27", "--steps", "4", "--sae", fitted.sae,
            "--probes", fitted.probes, "--out", tmp_path / "study", *args,
        )  # fmt: skip

    return run


def test_json_table_and_page(timing, tmp_path):
    given = ("--property", "loudness", "--prompt", "C4 loud", "--seeds", "2", "--windows", "2", "--json")
    result = timing(*given)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert len(document["loudness"]["effect"]["value"]) == 2
    assert (tmp_path / "study" / "report.html").is_file()
    assert document["table"] == str(tmp_path / "study" / "timing.csv")
    assert "0-0.5" in result.stderr
    assert json.loads(timing(*given).stdout) == document  # nothing is generated again


def test_bad_arguments(timing):
    assert_fails(timing("--prompt", "C4"), 2, "--property")
    assert_fails(timing("--property", "loudness"), 2, "no prompt")
    assert_fails(timing("--property", "onset", "--prompt", "C4"), 2, "unknown property")
    assert_fails(timing("--property", "loudness", "--prompt", "C4", "--strengths", "0"), 2, "other than 0")
    assert_fails(timing("--property", "loudness", "--prompt", "C4", "--strengths", "nan"), 2, "not a finite number")
    assert_fails(timing("--property", "loudness", "--prompt", "C4", "--windows", "1"), 2, "--windows")
