"""Lyrics, edits, takes and sway, through ``harness generate`` on a tiny DiffRhythm network."""

from __future__ import annotations

import json

import pytest
import soundfile

from generators.codecs.closed_form import ClosedFormCodec
from generators.diffrhythm import DiffRhythmGenerator

CONFIG = {
    "dim": 32, "depth": 2, "heads": 4, "ff_mult": 2, "text_dim": 8, "cond_dim": 8, "conv_layers": 1, "max_frames": 64,
    "duration_embedding": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    DiffRhythmGenerator.random(CONFIG, ClosedFormCodec(), seed=1).save_pretrained(folder)
    return folder


@pytest.fixture
def sing(invoke, network, tmp_path):
    def run(*args, out="run"):
        fixed = ("--generator", network, "--steps", "2", "--duration", "1", "--out", tmp_path / out, "--json")
        return invoke("generate", *fixed, "--prompt", "x", *args)

    return run


def documents(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["runs"]


def test_lyrics_are_sung_and_kept(sing, tmp_path):
    (tmp_path / "song.lrc").write_text("[00:00.123]20 21\n[00:00.20]22\n")
    given = ("--lyrics", tmp_path / "song.lrc", "--lyrics-form", "ids", "--lrc-rules", "tolerant")
    result = sing(*given)
    (run,) = documents(result)
    assert "note" not in result.stderr.replace("note: random weights", "")
    (plain,) = documents(sing(out="plain"))
    assert soundfile.read(run["audio"])[0].tolist() != soundfile.read(plain["audio"])[0].tolist()
    request = json.loads((tmp_path / "run/request.json").read_text())["request"]
    assert request["lyrics"] == "[00:00.123]20 21\n[00:00.20]22\n"
    assert (request["options"]["lyrics_form"], request["options"]["lrc_rules"]) == ("ids", "tolerant")


def test_takes_have_seeds_of_their_own(sing):
    runs = documents(sing("--batch", "3", "--seed", "5", "--prompt", "y"))
    assert [(run["prompt"], run["seed"]) for run in runs] == [(text, seed) for text in "xy" for seed in (5, 6, 7)]
    assert len({soundfile.read(run["audio"])[0].tobytes() for run in runs}) == 6
    waveforms = documents(sing("--set", "num_waveforms_per_prompt=2", "--seed", "6", out="waveforms"))
    assert [run["seed"] for run in waveforms] == [6, 7]
    same = documents(sing("--batch", "2", "--seed", "5", "--same-seed", out="same"))
    assert [run["seed"] for run in same] == [5, 5]
    assert len({soundfile.read(run["audio"])[0].tobytes() for run in same}) == 1


def test_an_edit(sing, tmp_path):
    (song,) = documents(sing(out="song"))
    given = ("--edit", song["audio"], "--regenerate", "-0.25s", "--regenerate", "0.8-", "--seed", "9", "--sway", "-1")
    result = sing(*given, "--trace")
    documents(result)
    assert "0.4 s were made anew" in result.stderr
    options = json.loads((tmp_path / "run/request.json").read_text())["request"]["options"]
    assert options["regenerate"] == [[-1, 0.25], [0.8, -1]]
    assert options["sway"] == -1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--edit", "pyproject.toml"), "--edit and --regenerate go together"),
        (("--regenerate", "1-2"), "--edit and --regenerate go together"),
        (("--edit", "pyproject.toml", "--regenerate", "1:2"), "'1:2' is no range of seconds; write 10s-25s"),
        (("--edit", "pyproject.toml", "--regenerate", "0-0.5"), "pyproject.toml: no audio that can be read"),
        (("--edit", "nowhere.wav", "--regenerate", "0-0.5"), "nowhere.wav"),
        (("--lyrics", "nowhere.lrc"), "nowhere.lrc"),
        (("--lyrics", "/dev/null"), "no line of the lyrics can be sung: they are empty"),
        (("--lyrics-form", "ids"), "are about --lyrics"),
        (("--sway", "-9"), "not in the range -1<=x<=1"),
        (("--sway", "nan"), "not a finite number"),
        (("--batch", "0"), "0 is not in the range"),
        (("--batch", "2", "--set", "num_waveforms_per_prompt=3"), "is another word for --batch"),
        (("--set", "num_waveforms_per_prompt=many"), "give a whole number"),
        (("--batch", "2", "--seed", str(2**63 - 1)), "leaves no room for 2 seeds"),
        (("--duration", "300"), "at most"),
    ],
    ids=str,
)
def test_bad_input(sing, tmp_path, args, message):
    result = sing(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_recording_shorter_than_the_song(sing):
    (song,) = documents(sing("--duration", "0.5", out="song"))
    result = sing("--edit", song["audio"], "--regenerate", "0-0.2")
    assert result.exit_code == 2
    assert "lasts 0.46 s and the song 0.98 s" in result.stderr
    assert "give a recording at least as long" in result.stderr


def test_generators_that_do_not_sing_say_so(generate, tmp_path):
    (tmp_path / "song.lrc").write_text("[00:00.00]la")
    assert "does not sing" in generate("--prompt", "C4", "--lyrics", tmp_path / "song.lrc").stderr
    assert "unknown option --sway" in generate("--prompt", "C4", "--sway", "-1").stderr
