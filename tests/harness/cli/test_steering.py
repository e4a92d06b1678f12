from __future__ import annotations

import json

import pytest

from analysis.sae.base import build
from analysis.sae.config import SAEConfig
from analysis.sae.formats import saelens
from analysis.source import Source
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


@pytest.fixture
def hidden_sae(generator, tmp_path):
    """An SAE of the closed-form network's hidden layer ``mean``, untrained."""
    width = generator.denoiser.latents.shape[-1]
    source = Source(generator.id, generator.weights_sha256, "mean", width)
    saelens.save(build(SAEConfig("topk", width, 32, k=8), source).requires_grad_(False), tmp_path / "hidden")
    return tmp_path / "hidden"


def test_features_of_a_hidden_layer(generate, invoke, hidden_sae, tmp_path):
    acting = ("--steer", "feature:1,2=5@at:mean,steps:1-2", "--hidden-sae", hidden_sae)
    steered = generate("--prompt", "", "--trace", *acting)
    assert steered.exit_code == 0, steered.stderr
    with open_trace(tmp_path / "run/trace.h5") as trace:
        norms = trace.relative_norms[:]
    assert norms[1] > 0.1 > norms[0] == 0
    again = invoke("replay", tmp_path / "run", "--hidden-sae", hidden_sae)
    assert again.stdout.strip().endswith(": bit-identical"), again.stderr
    without = invoke("replay", tmp_path / "run")
    assert "features at mean needs an SAE of that layer; give --hidden-sae DIR" in without.stderr


@pytest.mark.parametrize(
    ("spec", "phrase"),
    [
        ("feature:1*2", "reads mean, but nothing acts there; write @at:mean"),
        ("feature:1*2@at:posterior", "reads mean, but nothing acts there"),
        ("feature:99*2@at:mean", "no feature 99"),
        ("add:pitch:64@at:mean", "a probe's direction is one of latents"),
    ],
)
def test_a_hidden_sae_is_used_where_it_fits_only(generate, hidden_sae, own, tmp_path, spec, phrase):
    result = generate("--prompt", "", *own, "--hidden-sae", hidden_sae, "--steer", spec)
    assert result.exit_code == 2
    assert phrase in result.stderr
    assert not (tmp_path / "run").exists()


def test_hidden_saes_are_told_apart(generate, hidden_sae, fitted, generator, tmp_path):
    acting = ("--prompt", "", "--steer", "feature:1*2@at:mean", "--hidden-sae")
    latents = generate(*acting, fitted.sae)
    assert (latents.exit_code, "reads 'latents'; an SAE of latents goes to --sae" in latents.stderr) == (2, True)
    twice = generate(*acting, hidden_sae, "--hidden-sae", hidden_sae)
    assert (twice.exit_code, "second SAE of 'mean'" in twice.stderr) == (2, True)
    width = generator.denoiser.latents.shape[-1]
    saelens.save(build(SAEConfig("topk", width, 8, k=2), Source("other", "0", "mean", width)), tmp_path / "other")
    other = generate(*acting, tmp_path / "other")
    assert (other.exit_code, "fitted for model_id 'other'" in other.stderr) == (1, True)
