"""Everything a user can get wrong: one line that says so, exit code 1 or 2, and nothing on disk."""

from __future__ import annotations

import pytest

BAD_ARGUMENTS = {
    "no prompt": ([], 2, "--prompt"),
    "10,000 characters": (["--prompt", "x" * 10_000], 2, "10000 characters"),
    "NUL": (["--prompt", "C4\0E4"], 2, "NUL"),
    "bytes that are not UTF-8": (["--prompt", "C4 \udcff"], 2, "UTF-8"),
    "steps 0": (["--prompt", "C4", "--steps", "0"], 2, "--steps"),
    "steps 1": (["--prompt", "C4", "--steps", "1"], 2, "--steps"),
    "steps -3": (["--prompt", "C4", "--steps", "-3"], 2, "--steps"),
    "steps 1e9": (["--prompt", "C4", "--steps", "1e9"], 2, "--steps"),
    "steps 1000000000": (["--prompt", "C4", "--steps", "1000000000"], 2, "2<=x<=1000"),
    "duration 0": (["--prompt", "C4", "--duration", "0"], 2, "--duration"),
    "duration -1": (["--prompt", "C4", "--duration", "-1"], 2, "--duration"),
    "duration nan": (["--prompt", "C4", "--duration", "nan"], 2, "not a finite number"),
    "duration inf": (["--prompt", "C4", "--duration", "inf"], 2, "not a finite number"),
    "duration beyond the model": (
        ["--prompt", "C4", "--duration", "1000"],
        2,
        "--duration is 1000; give more than 0 and at most 12 seconds",
    ),
    "guidance nan": (["--prompt", "C4", "--guidance-scale", "nan"], 2, "not a finite number"),
    "guidance inf": (["--prompt", "C4", "--guidance-scale", "inf"], 2, "not a finite number"),
    "guidance -1": (["--prompt", "C4", "--guidance-scale", "-1"], 2, "--guidance-scale"),
    "seed -1": (["--prompt", "C4", "--seed", "-1"], 2, "--seed"),
    "seed 2**70": (["--prompt", "C4", "--seed", str(2**70)], 2, "--seed"),
    "seed in words": (["--prompt", "C4", "--seed", "one"], 2, "--seed"),
    "unknown generator": (["--prompt", "C4", "--generator", "closed-fom"], 2, "did you mean 'closed-form'?"),
    "missing generator folder": (["--prompt", "C4", "--generator", "./no-such"], 2, "no generator folder"),
    "unknown device": (["--prompt", "C4", "--device", "gpu7"], 2, "unknown device 'gpu7'"),
    "absent device": (["--prompt", "C4", "--device", "mps"], 2, "not available"),
    "unknown dtype": (["--prompt", "C4", "--dtype", "int8"], 2, "--dtype"),
    "unknown hidden pattern": (["--prompt", "C4", "--hidden", "blocks.*"], 2, "distances"),
    "unknown setting": (["--prompt", "C4", "--set", "wobble=3"], 2, "unknown option 'wobble'"),
    "setting without =": (["--prompt", "C4", "--set", "wobble"], 2, "key=value"),
    "setting given twice": (["--prompt", "C4", "--set", "a=1", "--set", "a=2"], 2, "twice"),
    "report without trace": (["--prompt", "C4", "--report", "--no-trace"], 2, "--no-trace"),
    "hidden settings without hidden": (["--prompt", "C4", "--hidden-every", "2"], 2, "give --hidden PATTERN"),
    "open without report": (["--prompt", "C4", "--open"], 2, "--report"),
    "batch of none": (["--prompt", "C4", "--batch-size", "0"], 2, "--batch-size"),
    "unknown option": (["--prompt", "C4", "--stesp", "4"], 2, "--steps"),
    "missing prompts file": (["--prompts", "no-such.txt"], 2, "no-such.txt"),
    "one bad prompt of two": (["--prompt", "C4", "--prompt", "a\0"], 2, "NUL"),
}


def assert_one_line(result, exit_code, phrase):
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert phrase in line


@pytest.mark.parametrize(("args", "exit_code", "phrase"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
@pytest.mark.parametrize("json", [[], ["--json"]], ids=["words", "json"])
def test_bad_arguments(generate, tmp_path, args, exit_code, phrase, json):
    assert_one_line(generate(*args, *json), exit_code, phrase)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"C4\nE4 \xff\xfe\n", "prompts.txt, line 2: not UTF-8"),
        ("C4\nE4".encode("utf-16"), "not UTF-8"),
        (b"C4\n\nE4 \0\n", "prompts.txt, line 3: the prompt holds a NUL"),
        (b"\n \r\n\t\n", "holds no prompt"),
        (b"", "holds no prompt"),
    ],
)
def test_bad_prompts_file(generate, tmp_path, content, phrase):
    file = tmp_path / "prompts.txt"
    file.write_bytes(content)
    assert_one_line(generate("--prompts", file), 2, phrase)
    assert list(tmp_path.iterdir()) == [file]


def test_output_that_exists(generate, tmp_path):
    assert generate("--prompt", "C4", "--trace").exit_code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert_one_line(generate("--prompt", "E4"), 1, "--force")
    assert_one_line(generate("--prompt", "E4", "--prompt", "G4"), 1, "--force")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_bad_request_with_force_keeps_the_old_run(generate, tmp_path):
    assert generate("--prompt", "C4", "--trace").exit_code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert_one_line(generate("--prompt", "E4", "--hidden", "nope", "--force"), 2, "nope")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_output_that_cannot_be_made(generate, tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_line(generate("--prompt", "C4", "--out", tmp_path / "file"), 1, "not a folder")
    assert_one_line(generate("--prompt", "C4", "--out", tmp_path / "file" / "run"), 1, "not a folder")
    assert_one_line(generate("--prompt", "C4", "--out", "/proc/run"), 1, "cannot write to /proc/run")


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_generator_folder_with_a_bad_file(generate, tmp_path, damage):
    from generators.closed_form import WEIGHTS_FILE, ClosedFormGenerator

    model = tmp_path / "model"
    ClosedFormGenerator.from_pretrained().save_pretrained(model)
    weights = model / WEIGHTS_FILE
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-9])
    else:
        (model / "generator.json").write_text('{"_class_name": "StableAudioPipeline"}')
    phrase = "generator.json" if damage == "foreign" else WEIGHTS_FILE
    assert_one_line(generate("--prompt", "C4", "--generator", model), 1, phrase)
    assert not (tmp_path / "run").exists()


def test_empty_generator_folder(generate, tmp_path):
    (tmp_path / "model").mkdir()
    assert_one_line(generate("--prompt", "C4", "--generator", tmp_path / "model"), 1, "generator.json: missing")


def test_limits_of_the_options_are_those_of_what_they_are_for():
    from generators.requests import MAX_SEED, MAX_STEPS, MIN_STEPS
    from harness.capture import HIDDEN_DTYPES
    from harness.cli.generate import command

    ranges = {option.name: option.type for option in command.params}
    assert (ranges["steps"].min, ranges["steps"].max) == (MIN_STEPS, MAX_STEPS)
    assert (ranges["seed"].min, ranges["seed"].max) == (0, MAX_SEED)
    assert list(ranges["hidden_dtype"].choices) == list(HIDDEN_DTYPES)


@pytest.mark.parametrize("command", ["inspect", "report"])
def test_trace_that_is_not_there(invoke, tmp_path, command):
    assert_one_line(invoke(command, tmp_path / "no-such"), 2, "does not exist")
    assert_one_line(invoke(command, tmp_path), 2, "holds no trace.h5")


@pytest.mark.parametrize("command", ["inspect", "report"])
def test_trace_that_is_not_one(invoke, generate, tmp_path, command):
    assert generate("--prompt", "C4", "--trace").exit_code == 0
    trace = tmp_path / "run" / "trace.h5"
    data = trace.read_bytes()
    trace.write_bytes(data[: len(data) // 2])
    assert_one_line(invoke(command, tmp_path / "run"), 1, "trace.h5")
    trace.write_bytes(b"not HDF5 at all")
    assert_one_line(invoke(command, trace), 1, "trace.h5")
    assert not (tmp_path / "run" / "report.html").exists()


def test_folder_of_several_runs_names_them(invoke, generate, tmp_path):
    assert generate("--prompt", "C4", "--prompt", "E4", "--trace").exit_code == 0
    assert_one_line(invoke("inspect", tmp_path / "run"), 2, "000, 001")


def test_unknown_command(invoke):
    assert_one_line(invoke("generat"), 2, "generat")
