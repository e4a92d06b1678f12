"""The timing study on the closed-form generator: complete, resumable, refused where it makes no sense."""

from __future__ import annotations

import csv
import json

import pytest

from generators.base import GenerationRequest
from harness.decoding.artifacts import read_artifacts
from harness.errors import ExistsError, InputError
from harness.steering import timing
from harness.steering.timing import read_study, run_timing
from harness.steering.timing_config import TimingConfig
from harness.steering.timing_words import finding

FRAMES = 6


@pytest.fixture
def artifacts(fitted):
    return read_artifacts(fitted.source, fitted.probes, fitted.sae)


@pytest.fixture
def config(generator):
    duration_s = FRAMES / float(generator.codec.frame_rate_hz)
    requests = tuple(
        generator.resolve(GenerationRequest("C4 loud", duration_s=duration_s, num_inference_steps=4, seed=seed))
        for seed in (0, 1)
    )
    return TimingConfig(("loudness",), 2, (0.5, 1.0), requests)


def test_a_study_leaves_cells_table_and_maps(generator, config, artifacts, tmp_path):
    seen = []
    study = run_timing(
        generator, config, tmp_path / "out", artifacts=artifacts, progress=lambda *step: seen.append(step)
    )
    found = study.maps["loudness"]
    assert found.effect.value.shape == (2, 2)
    assert found.runs == 2
    assert seen[-1] == ("timing", 8, 8)
    assert seen[0][0] == "sampling"  # the baselines come first
    with (tmp_path / "out" / "timing.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["t_start"], row["strength"]) for row in rows] == [
        ("0.0", "0.5"), ("0.0", "1.0"), ("0.5", "0.5"), ("0.5", "1.0"),
    ]  # fmt: skip
    assert rows[0]["loudness_spreads"] == ""
    document = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert document["loudness"]["windows"] == [[0.0, 0.5], [0.5, 1.0]]
    assert document["loudness"]["emergence"]["x1_hat"]["commit_t"] is not None
    assert "oudness" in finding(found, study.curves)
    again = read_study(tmp_path / "out")
    assert again.to_json() == study.to_json()
    assert finding(again.maps["loudness"], again.curves) == finding(found, study.curves)


def test_a_stopped_study_goes_on_from_its_cells(generator, config, artifacts, tmp_path, monkeypatch):
    whole = run_timing(generator, config, tmp_path / "whole", artifacts=artifacts)
    plain, made = timing.generate_outcomes, []

    def stops_after_two(*args, **options):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(args)
        return plain(*args, **options)

    monkeypatch.setattr(timing, "generate_outcomes", stops_after_two)
    with pytest.raises(KeyboardInterrupt):
        run_timing(generator, config, tmp_path / "out", artifacts=artifacts)
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 2
    with pytest.raises(InputError, match="not finished"):
        read_study(tmp_path / "out")
    monkeypatch.setattr(timing, "generate_outcomes", lambda *a, **o: made.append(a) or plain(*a, **o))
    again = run_timing(generator, config, tmp_path / "out", artifacts=artifacts)
    assert len(made) == 4  # the two that were missing
    assert again.to_json() == whole.to_json()


def test_another_study_is_not_mixed_in(generator, config, artifacts, tmp_path):
    from dataclasses import replace

    run_timing(generator, config, tmp_path, artifacts=artifacts)
    other = replace(config, strengths=(1.0,))
    with pytest.raises(ExistsError, match="other settings"):
        run_timing(generator, other, tmp_path, artifacts=artifacts)
    assert run_timing(generator, other, tmp_path, artifacts=artifacts, force=True).maps["loudness"].strengths == (1.0,)
    assert len(list((tmp_path / "cells").iterdir())) == 2


def test_a_damaged_cell_is_named(generator, config, artifacts, tmp_path):
    run_timing(generator, config, tmp_path, artifacts=artifacts)
    (tmp_path / "cells" / "loudness-w0-s0.json").write_text("[{}]")
    with pytest.raises(InputError, match=r"loudness-w0-s0\.json is damaged"):
        run_timing(generator, config, tmp_path, artifacts=artifacts)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"properties": ("onset",)}, "unknown property"),
        ({"properties": ("pitch", "pitch")}, "only once"),
        ({"windows": 1}, "windows is 1"),
        ({"strengths": (0.0,)}, "other than 0"),
        ({"strengths": ()}, "other than 0"),
        ({"requests": ()}, "at least one prompt"),
    ],
)
def test_studies_that_make_no_sense_are_refused(config, change, phrase):
    from dataclasses import replace

    with pytest.raises(InputError, match=phrase):
        replace(config, **change)


def test_more_windows_than_updates_are_refused_before_anything_is_written(generator, config, artifacts, tmp_path):
    from dataclasses import replace

    with pytest.raises(InputError, match="50 windows do not fit"):
        run_timing(generator, replace(config, windows=50), tmp_path / "out", artifacts=artifacts)
    assert not (tmp_path / "out").exists()
