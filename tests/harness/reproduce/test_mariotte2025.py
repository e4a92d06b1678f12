"""The study at tiny size, on tiny random checkpoints of the real encoder classes, in VocalSet's layout."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from analysis.attributes import has_egemaps
from harness.errors import InputError
from harness.reproduce import mariotte2025, mariotte2025_report
from tests.generators.encoders.tiny import MAKERS

RATE_HZ = 16000
TINY = mariotte2025.Scale(1, 32, (0.75, 0.95), 0.95, 4, 160)
KINDS = ("ast", "mert")


@pytest.fixture(scope="module")
def vocalset(tmp_path_factory) -> Path:
    """150 short tones of two singers: straight ones, ones with vibrato, and one file of a technique of its own."""
    home, rng = tmp_path_factory.mktemp("vocalset"), np.random.default_rng(0)
    time_s = np.arange(int(0.3 * RATE_HZ)) / RATE_HZ
    for index in range(152):
        technique = {150: "belt", 151: "messa"}.get(index, ("straight", "vibrato")[index % 2])
        folder = home / ("female1", "male2")[index % 3 == 0] / "long_tones" / technique
        folder.mkdir(parents=True, exist_ok=True)
        f0_hz = rng.uniform(150, 400)
        depth = 0.05 * f0_hz * np.sin(2 * np.pi * 6 * time_s) * (technique == "vibrato")
        phase = 2 * np.pi * np.cumsum(f0_hz + depth) / RATE_HZ
        audio = rng.uniform(0.02, 0.2) * sum(np.sin(h * phase) / h for h in range(1, 8))
        soundfile.write(folder / f"x_long_{technique}_{'aeiou'[index % 5]}{index}.wav", audio, RATE_HZ)
    return home


def of(kinds: tuple[str, ...], home: Path, vocalset: Path, scale: mariotte2025.Scale) -> mariotte2025.Study:
    folders = tuple(str(MAKERS[kind](home / kind)) for kind in kinds)
    return mariotte2025.Study((vocalset,), folders, scale=scale, untrained=True)


@pytest.fixture(scope="module")
def study(vocalset, tmp_path_factory) -> mariotte2025.Study:
    return of(KINDS, tmp_path_factory.mktemp("encoders"), vocalset, TINY)


class Watch:
    """Notes how far a study is, and stops it in the stage ``what``, after ``done`` units."""

    def __init__(self, what: str = "", done: int = 0) -> None:
        self.stop, self.seen = (what, done), dict[str, list[tuple[int, int]]]()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.seen.setdefault(what, []).append((done, total))
        if (what, done) == self.stop:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def attempts(study, tmp_path_factory):
    """A study that was stopped while it encoded, stopped while it measured attributes, and then finished."""
    if not has_egemaps():
        pytest.skip("needs the extra [opensmile]")
    out = tmp_path_factory.mktemp("study") / "mariotte"
    watches = [Watch("collecting", 100), Watch("attributes", 100), Watch()]
    for watch in watches[:2]:
        with pytest.raises(KeyboardInterrupt):
            mariotte2025.reproduce(study, out, progress=watch)
    return out, mariotte2025.reproduce(study, out, progress=watches[2]), watches


@pytest.fixture(scope="module")
def finished(attempts):
    out, results, _ = attempts
    return out, results, mariotte2025_report.write(results, out)


def test_an_interrupted_study_goes_on_where_it_was_stopped(attempts):
    _, _, (first, second, third) = attempts
    assert first.seen == {"collecting": [(done, 150) for done in range(1, 101)]}
    assert second.seen["collecting"][0] == (101, 150)
    assert third.seen["attributes"] == [(0, 50)]  # nothing is collected anew but the second encoder's
    assert [total for _, total in third.seen["collecting"]] == [150] * 150


def test_layers_by_sparsity_for_every_encoder(finished, study):
    out, results, document = finished
    assert [(mariotte2025_report.short(r["encoder"]), r["hook_point"]) for r in results.rows] == [
        (kind, f"layers.{layer}") for kind in KINDS for layer in (0,)
    ]
    for row in results.rows:
        kinds = [(one["architecture"], one["sparsity"]) for one in row["readings"]]
        assert kinds == [("raw", 0), ("topk", 0.75), ("topk", 0.95), ("random", 0.95)]
        for name, scores in row["disentanglement"].items():
            assert name in ("raw", "sae", "random")
            for factor in scores["factors"].values():
                assert factor["completeness"] is None or -1e-9 <= factor["completeness"] <= 1
    head, rows = mariotte2025_report.sparsity_table(results)
    assert head[2:5] == ["own", "75%", "95%"]
    assert all(len(row) == len(head) for row in rows)
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * 4
    assert document["label"] == "technique"


@pytest.mark.slow
def test_every_kind_of_encoder_runs_end_to_end(vocalset, tmp_path):
    kinds = tuple(MAKERS)
    study = of(kinds, tmp_path / "encoders", vocalset, replace(TINY, layers=2))
    results = mariotte2025.reproduce(study, tmp_path / "study")
    assert [(mariotte2025_report.short(row["encoder"]), row["hook_point"]) for row in results.rows] == [
        (kind, f"layers.{layer}") for kind in kinds for layer in (0, 3)
    ]
    assert mariotte2025_report.write(results, tmp_path / "study")["untrained"]


def test_the_page_says_random_weights_and_what_was_left_out(finished):
    out, _, document = finished
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in (
        "Random weights.",
        "Left out, because they have a single file: belt.",
        "none of VocalSet",
        "not checked",
    ):
        assert words in page.replace("&#39;", "'")
    assert len(document["left_out"]) == 2


def test_a_finished_study_is_read_not_repeated(finished, study, monkeypatch):
    out, results, _ = finished

    def refuse(*args, **kwargs):
        raise AssertionError("this was done already")

    for name in ("build", "train_once", "read_properties", "disentanglement"):
        monkeypatch.setattr(mariotte2025, name, refuse)
    assert mariotte2025.reproduce(study, out).rows == results.rows
    with pytest.raises(InputError, match="begun with label"):
        mariotte2025.reproduce(replace(study, label="singer"), out)


def test_inputs_that_cannot_be_studied(study, tmp_path):
    with pytest.raises(InputError, match="no class label 'mood'"):
        mariotte2025.inputs(replace(study, label="mood"))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "1.wav", np.ones(100), RATE_HZ)
    with pytest.raises(InputError, match="fewer than two classes with 2 files"):
        mariotte2025.inputs(mariotte2025.Study((tmp_path,)))


def test_published_numbers_stand_beside_their_layer():
    row = {"encoder": "facebook/hubert-base-ls960", "hook_point": "layers.3"}
    assert mariotte2025_report.published(row) == "0.73"
    assert mariotte2025_report.published({**row, "hook_point": "layers.4"}) == "–"


def test_captions_average_what_is_defined(finished):
    out, _, _ = finished
    assert " nan" not in (out / "report.html").read_text(encoding="utf-8")
