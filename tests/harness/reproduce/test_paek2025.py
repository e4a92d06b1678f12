"""The study at tiny size on the closed-form codec and generator, whose weights are no weights at all."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from analysis.probes import FitConfig
from harness.codecs import CodecSpec
from harness.datasets.reader import open_dataset
from harness.errors import ExistsError, InputError
from harness.fitting.probes import frames_of, task_of
from harness.fitting.saes import load_sae
from harness.reproduce import paek2025, paek2025_report
from harness.reproduce.manipulation import control_vectors
from harness.reproduce.published import PAEK, as_range

RATE_HZ = 22050
DATA = Path(__file__).parents[2] / "data"
SHARED = Path(__file__).parents[4] / "shared" / "parity"
TINY_CODECS = {
    "encodec": (DATA / "encodec" / "mono_causal.th", DATA / "encodec" / "mono_causal.json"),
    "wavtokenizer": (SHARED / "wavtokenizer" / "tiny" / "model.ckpt", SHARED / "wavtokenizer" / "tiny" / "config.yaml"),
    "diffrhythm-vae": (DATA / "diffrhythm" / "vae" / "vae_model.pt", None),
}
QUICK = FitConfig(max_iterations=5)
TINY = paek2025.Scale((2,), (0.02,), 2, (4,), 8, 400, None, 1, 3)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 tones of random pitch, each frame with a level of its own."""
    folder, rng = tmp_path_factory.mktemp("audio"), np.random.default_rng(0)
    for index in range(40):
        frequency_hz, time_s = 220 * 2 ** rng.uniform(0, 1), np.arange(12 * 1024) / RATE_HZ
        level = np.repeat(10 ** rng.uniform(-1.5, -0.3, 12), 1024)
        harmonics = sum(np.sin(2 * np.pi * h * frequency_hz * time_s) / h ** rng.uniform(1, 3) for h in range(1, 6))
        soundfile.write(folder / f"{index}.wav", 0.4 * level * harmonics, RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def study(audio: Path) -> paek2025.Study:
    return paek2025.Study(CodecSpec("closed-form"), (audio,), generator="closed-form", scale=TINY, untrained=True)


@pytest.fixture(scope="module")
def finished(study: paek2025.Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, paek2025.Results, dict]:
    out = tmp_path_factory.mktemp("study") / "paek"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paek2025, "FIT", QUICK)
        results = paek2025.reproduce(study, out)
    return out, results, paek2025_report.write(results, out)


def test_the_table_has_the_papers_saes_ours_the_control_and_the_latents(finished):
    out, results, document = finished
    assert [row["architecture"] for row in results.rows] == ["raw", "rms", "topk", "random"]
    for row in document["rows"]:
        assert 0 <= row["sparsity"] < 1
        assert {"pitch", "amplitude", "loudness", "timbre"} <= set(row)
        assert row["pitch"]["low"] <= row["pitch"]["value"] <= row["pitch"]["high"]
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["name"] for row in read] == [row["name"] for row in results.rows]
    assert float(read[1]["pitch_value"]) == results.rows[1]["pitch"]["value"]


def test_the_page_says_random_weights_and_has_players_and_curves(finished):
    out, results, _ = finished
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Random weights." in page
    assert page.count("<audio") == 2 * 3
    assert 'id="emergence"' in page
    assert set(document_curves(results)) <= {"pitch", "loudness", "timbre"}


def document_curves(results: paek2025.Results) -> list[str]:
    return [name for name, _ in results.curves]


def test_a_finished_study_is_read_not_repeated(finished, study, monkeypatch):
    out, results, _ = finished

    def refuse(*args, **kwargs):
        raise AssertionError("this was done already")

    for name in ("build", "read_properties"):
        monkeypatch.setattr(paek2025, name, refuse)
    monkeypatch.setattr("harness.reproduce.training.train_saes", refuse)
    monkeypatch.setattr("harness.reproduce.emergence.run", refuse)
    monkeypatch.setattr("harness.reproduce.emergence.decode", refuse)
    again = paek2025.reproduce(study, out)
    assert again.rows == results.rows
    assert again.curves.keys() == results.curves.keys()


def test_other_settings_and_foreign_folders_are_refused(finished, study, tmp_path):
    out, _, _ = finished
    with pytest.raises(InputError, match="begun with scale"):
        paek2025.reproduce(replace(study, scale=replace(TINY, steps=9)), out)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExistsError, match="holds no study"):
        paek2025.reproduce(study, tmp_path)


def test_a_generator_of_another_codec_is_refused(study, tmp_path):
    with pytest.raises(InputError, match="makes latents of the codec"):
        paek2025.reproduce(replace(study, codec=CodecSpec("mini")), tmp_path / "new")


def test_nothing_to_study(study):
    with pytest.raises(InputError, match="nothing to study"):
        paek2025.measure(replace(study, audio=()))


def test_the_estimate_counts_the_audio(study):
    found = paek2025.measure(study)
    assert found.audio_s == pytest.approx(40 * 12 * 1024 / RATE_HZ, rel=1e-3)
    assert found.total_s > 0
    assert found.seconds["runs"] > 0
    assert "of audio" in found.sentence()
    json.dumps(found.to_json())


def test_a_control_vector_moves_the_mean_code_of_a_class_to_that_of_another(finished):
    out, results, _ = finished
    with open_dataset(out / paek2025.DATASET) as dataset:
        frames = frames_of(dataset)
        task = task_of(dataset, frames, "pitch")
        sae = load_sae(out / results.best["folder"])
        control = control_vectors(sae, frames, task)
        train = task.rows("train")
        present = np.unique(task.target[train])
        code = sae.encode(frames.vectors[1.0][train])
        for label in present[:3]:
            expected = code[task.target[train] == label].mean(0)
            np.testing.assert_allclose(control.means[label].numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
        latents = frames.vectors[1.0][:4]
        unvoiced = np.full(4, np.nan, np.float32)
        np.testing.assert_array_equal(control.apply(sae, latents, unvoiced, 3.0).detach(), latents)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([("a", 0.05, 0.9), ("b", 0.05, 0.5), ("c", 0.5, 1.0)], "a"),
        ([("a", 0.3, 0.9), ("b", 0.2, 0.5)], "b"),
    ],
)
def test_the_best_read_of_the_faithful_is_used(rows, name):
    made = [
        {"name": n, "architecture": "rms", "fvu": fvu, **{p: {"value": v} for p in paek2025.PROPERTIES}}
        for n, fvu, v in rows
    ]
    assert paek2025.choose(made)["name"] == name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "files"), TINY_CODECS.items(), ids=str)
def test_every_codec_runs_end_to_end_on_a_tiny_random_checkpoint(name, files, audio, tmp_path, monkeypatch):
    monkeypatch.setattr(paek2025, "FIT", QUICK)
    weights, config = files
    if not weights.exists():
        pytest.skip(f"needs {weights}")
    study = paek2025.Study(CodecSpec(name, str(weights), config and str(config)), (audio,), scale=TINY, untrained=True)
    results = paek2025.reproduce(study, tmp_path / "study")
    document = paek2025_report.write(results, tmp_path / "study")
    assert document["untrained"]
    assert len(results.rows) == 4
    published = PAEK[name]["pitch"]
    head, rows = paek2025_report.sparsity_table(results)
    assert head[7] == "pitch, paper"
    assert rows[0][7] == as_range(published)
