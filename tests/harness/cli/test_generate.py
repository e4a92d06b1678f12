from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from harness import open_trace

KEYS = ["prompt", "seed", "generator", "dir", "audio", "sample_rate_hz", "trace", "report", "seconds"]


def document(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_json_document(generate, tmp_path):
    result = generate("--prompt", "C4 loud", "--seed", "7", "--trace", "--json")
    (run,) = document(result)["runs"]
    assert list(run) == KEYS
    assert (run["prompt"], run["seed"], run["generator"], run["report"]) == ("C4 loud", 7, "closed-form", None)
    assert Path(run["dir"]) == tmp_path / "run"
    assert soundfile.info(run["audio"]).samplerate == run["sample_rate_hz"] == 22050
    with open_trace(run["trace"]) as trace:
        assert trace.complete
        assert trace.steps == 2
        assert trace.request["prompt"] == "C4 loud"
    assert "C4 loud" in result.stderr


def test_no_trace_unless_asked_for(generate, tmp_path):
    (run,) = document(generate("--prompt", "C4", "--json"))["runs"]
    assert run["trace"] is None
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["audio.wav", "request.json"]


def test_words_for_people_end_with_the_paths(generate, tmp_path):
    result = generate("--prompt", "C4 xylophone", "--trace")
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[-2].split() == ["audio", str(tmp_path / "run" / "audio.wav")]
    assert lines[-1].split() == ["trace", str(tmp_path / "run" / "trace.h5")]
    assert any("note:" in line and "xylophone" in line for line in lines)


def test_control_characters_of_a_prompt_do_not_reach_the_terminal(generate):
    result = generate("--prompt", "C4\x1b[2J\x9b2J\nE4")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\x9b" not in result.stdout
    assert r"\x1b[2J" in result.stdout


def test_several_prompts_get_numbered_folders(generate, tmp_path):
    runs = document(generate("--prompt", "C4", "--prompt", "E4", "--prompt", "G4", "--batch-size", "2", "--json"))
    assert [run["prompt"] for run in runs["runs"]] == ["C4", "E4", "G4"]
    assert [Path(run["dir"]) for run in runs["runs"]] == [tmp_path / "run" / name for name in ("000", "001", "002")]
    assert all(Path(run["audio"]).is_file() for run in runs["runs"])


@pytest.mark.parametrize("text", ["\ufeffC4\r\n\r\n  E4 loud  \n\n", "C4\n\nE4 loud"])
def test_prompts_file_skips_blank_lines(generate, tmp_path, text):
    file = tmp_path / "prompts.txt"
    file.write_bytes(text.encode())
    assert [run["prompt"] for run in document(generate("--prompts", file, "--json"))["runs"]] == ["C4", "E4 loud"]


def test_prompts_from_standard_input(generate):
    assert [run["prompt"] for run in document(generate("--prompts", "-", "--json", stdin="C4\nD4\n"))["runs"]] == [
        "C4",
        "D4",
    ]


@pytest.mark.parametrize("prompt", ["", "C4 🎹 tone", "<script>alert(1)</script> E4", "loud " * 800])
def test_unusual_prompts_work(generate, prompt):
    (run,) = document(generate("--prompt", prompt, "--trace", "--json"))["runs"]
    assert run["prompt"] == prompt
    with open_trace(run["trace"]) as trace:
        assert trace.request["prompt"] == prompt


def test_longest_prompts_fit_a_batch_of_traces(generate):
    prompts = [arg for _ in range(8) for arg in ("--prompt", "😀" * 4000)]
    assert len(document(generate(*prompts, "--trace", "--json"))["runs"]) == 8


def test_same_seed_same_bytes_another_seed_others(generate, tmp_path):
    audio = tmp_path / "run" / "audio.wav"
    contents = []
    for seed in ("1", "1", "2"):
        assert generate("--prompt", "", "--seed", seed, "--steps", "8", "--force").exit_code == 0
        contents.append(audio.read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_hidden_states_imply_the_trace(generate):
    (run,) = document(generate("--prompt", "C4", "--hidden", "mea*", "--hidden-dtype", "float32", "--json"))["runs"]
    with open_trace(run["trace"]) as trace:
        assert list(trace.hidden) == ["mean"]
        assert trace.hook_points["mean"]["dtype"] == "float32"


def test_force_replaces_the_whole_run(generate, tmp_path):
    assert generate("--prompt", "C4", "--trace").exit_code == 0
    (tmp_path / "run" / "mine.txt").write_text("kept")
    assert generate("--prompt", "E4", "--force").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["audio.wav", "mine.txt", "request.json"]
    assert json.loads((tmp_path / "run" / "request.json").read_text())["request"]["prompt"] == "E4"


def test_default_folder_is_new_each_time(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("generate", "--generator", "closed-form", "--prompt", "C4", "--steps", "2", "--json")
    (run,) = document(result)["runs"]
    assert Path(run["dir"]).parent == Path("runs")
    assert Path(run["audio"]).is_file()


def test_generator_folder(generate, tmp_path):
    from generators.closed_form import ClosedFormGenerator

    ClosedFormGenerator.from_pretrained().save_pretrained(tmp_path / "model")
    (run,) = document(generate("--prompt", "C4", "--json", "--generator", tmp_path / "model"))["runs"]
    assert run["generator"] == str(tmp_path / "model")
