from __future__ import annotations

import json

import pytest


def assert_fails(result, exit_code, phrase):
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert phrase in result.stderr.splitlines()[-1]


@pytest.fixture
def decode(invoke, fitted, tmp_path):
    """Run ``harness decode`` on ``tmp_path/run`` or what is given, with the fitted SAE and probes."""

    def run(*args):
        paths = [arg for arg in args if not str(arg).startswith("--")] or [tmp_path / "run"]
        flags = [arg for arg in args if str(arg).startswith("--")]
        return invoke("decode", *paths, *flags, "--sae", fitted.sae, "--probes", fitted.probes)

    return run


def test_json_document_of_one_run(generate, decode, tmp_path):
    assert generate("--prompt", "A4 loud", "--trace", "--steps", "6").exit_code == 0
    result = decode("--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert list(document) == ["runs"]
    (run,) = document["runs"]
    assert run["trace"] == str(tmp_path / "run" / "trace.h5")
    assert list(run["properties"]) == ["pitch", "loudness", "timbre"]
    assert len(run["properties"]["pitch"]["x1_hat"]["accuracy"]) == 6
    assert "A4 loud" in result.stderr
    assert json.loads(decode("--json").stdout) == document  # decoding again gives the same figures


def test_several_runs_are_also_taken_together(generate, decode, tmp_path):
    assert generate("--prompt", "A4", "--prompt", "C4", "--trace", "--steps", "4").exit_code == 0
    document = json.loads(decode("--json").stdout)
    assert len(document["runs"]) == 2
    (group,) = document["aggregated"]
    assert group["traces"] == [run["trace"] for run in document["runs"]]
    assert document["skipped"] == []


def test_unusable_run_of_several_is_left_out_and_named(generate, decode, tmp_path):
    assert generate("--prompt", "A4", "--prompt", "C4", "--trace", "--steps", "4").exit_code == 0
    bad = tmp_path / "run" / "000" / "trace.h5"
    bad.write_bytes(b"not HDF5 at all")
    result = decode("--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert [entry["trace"] for entry in document["skipped"]] == [str(bad)]
    assert f"left out {bad}" in result.stderr
    (tmp_path / "run" / "001" / "trace.h5").write_bytes(b"neither")
    assert_fails(decode("--json"), 1, "none of the 2 runs could be decoded")


def test_words_for_people(generate, decode, tmp_path):
    assert generate("--prompt", "A4", "--trace", "--steps", "4").exit_code == 0
    result = decode()
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["property", "pitch", "loudness", "timbre"]
    assert lines[-1].strip().startswith("In half of the frames")


def test_without_artifacts_for_the_codec_the_way_is_named(generate, invoke, tmp_path):
    assert generate("--prompt", "A4", "--trace").exit_code == 0
    assert_fails(invoke("decode", tmp_path / "run"), 2, "harness train-probes")


def test_artifacts_of_another_codec_are_refused(generate, invoke, fitted, tmp_path):
    from dataclasses import replace

    from generators.closed_form import ClosedFormGenerator
    from generators.codecs.closed_form import FACTORS

    model = tmp_path / "model"
    ClosedFormGenerator([replace(item, norm=2 * item.norm) for item in FACTORS]).save_pretrained(model)
    assert generate("--prompt", "A4", "--trace", "--generator", model).exit_code == 0
    result = invoke("decode", tmp_path / "run", "--sae", fitted.sae, "--probes", fitted.probes)
    assert_fails(result, 2, "weights_sha256")
    assert str(fitted.sae) in result.stderr


def test_a_folder_of_something_else_is_named_once(generate, invoke, fitted, tmp_path):
    assert generate("--prompt", "A4", "--trace").exit_code == 0
    assert_fails(invoke("decode", tmp_path / "run", "--probes", fitted.sae), 2, f"error: {fitted.sae} holds no probes")
    wrong = invoke("decode", tmp_path / "run", "--probes", fitted.probes, "--sae", fitted.probes)
    assert_fails(wrong, 2, f"error: {fitted.probes}/cfg.json is missing")


def test_bad_arguments(invoke, tmp_path):
    assert_fails(invoke("decode"), 2, "RUN...")
    assert_fails(invoke("decode", tmp_path / "none"), 2, "does not exist")
    assert_fails(invoke("decode", tmp_path), 2, "holds no trace.h5")
    assert_fails(invoke("decode", tmp_path, "--sae", tmp_path), 2, "--probes")
