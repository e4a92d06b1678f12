from __future__ import annotations

import json

import pytest

from harness import open_trace

SCRIPT = """
from harness.interventions.call import Call

def louder(value, point):
    return 1.2 * value

def interventions(generator, sae, probes):
    assert sae is not None and "pitch" in probes
    return [Call(louder)]
"""


@pytest.fixture
def own(fitted):
    return ("--sae", str(fitted.sae), "--probes", str(fitted.probes))


def test_steer_patch_and_script_reach_the_trace_in_order(generate, invoke, own, tmp_path):
    assert generate("--prompt", "", "--trace").exit_code == 0
    (tmp_path / "mine.py").write_text(SCRIPT)
    command = ("--prompt", "", "--seed", "5", "--trace", *own, "--out", str(tmp_path / "steered"))
    acting = ("--steer", "feature:1,2*2", "--patch", f"{tmp_path / 'run'}@steps:1-2")
    result = generate(*command, *acting, "--script", str(tmp_path / "mine.py"))
    assert result.exit_code == 0, result.stderr
    with open_trace(tmp_path / "steered" / "trace.h5") as trace:
        kinds = [item["kind"] for item in trace.metadata["extra"]["interventions"]]
    assert kinds == ["patch", "scale", "call"]

    again = invoke("replay", str(tmp_path / "steered"), *own, "--script", str(tmp_path / "mine.py"), "--json")
    assert again.exit_code == 0, again.stderr
    document = json.loads(again.stdout)
    assert (document["identical"], document["interventions"], document["audio_difference"]) == (True, 3, 0.0)
    without = invoke("replay", str(tmp_path / "steered"), *own)
    assert without.exit_code == 2
    assert "give the script it came from by --script" in without.stderr


def test_replay_of_a_plain_run(generate, invoke, tmp_path):
    assert generate("--prompt", "C4", "--trace").exit_code == 0
    result = invoke("replay", str(tmp_path / "run"))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip().endswith("bit-identical")


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        (("--steer", "pitch=+3xx@t:0.1-0.5"), "at character 9: pitch=+3 >>>xx@t:0.1-0.5"),
        (("--steer", "feature:99*2"), "no feature 99"),
        (("--steer", "pitch:=200"), "outside what the probe knows"),
        (("--steer", "pitch=+3st@frames:0s-9s"), "end after the audio"),
        (("--steer", "rhythm=+3"), "unknown property 'rhythm'"),
        (("--script", "nowhere.py"), "there is no script"),
        (("--patch", "nowhere.h5@t:0.3"), "does not exist"),
    ],
)
def test_bad_steering_is_one_line_and_leaves_nothing(generate, own, tmp_path, options, phrase):
    result = generate("--prompt", "", *own, *options)
    assert result.exit_code == 2
    assert phrase in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_steering_without_artifacts_says_how_to_make_them(generate):
    result = generate("--prompt", "", "--steer", "pitch=+2st")
    assert result.exit_code == 2
    assert "no SAE and probes are shipped" in result.stderr
