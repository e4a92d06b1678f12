"""The whole way on pipelines of diffusers: recorded notes, an SAE, probes, a traced run, decoded, steered, reported."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from diffusers import DiffusionPipeline
from numpy.typing import NDArray

from analysis.probes import Probe
from harness import open_trace
from harness.cli import cli
from harness.decoding.artifacts import Artifacts, latents_of, read_artifacts
from tests.generators.diffusers_audio import tiny

RATE_HZ = 8000
NOTES_HZ = (196.0, 262.0, 330.0, 440.0)


def harness(*arguments: str | Path) -> dict[str, Any]:
    """Run ``harness ARGUMENTS --json``, which has to work, and return its document."""
    shown = CliRunner().invoke(cli, [*map(str, arguments), "--json"], prog_name="harness")
    assert shown.exit_code == 0, shown.output
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


def of_a_waveform() -> DiffusionPipeline:
    pipeline = tiny.stable_audio()
    with tiny.drawn():
        pipeline.register_modules(vae=tiny.oobleck(RATE_HZ, [8, 10]))
        return tiny.finish(pipeline)


def of_a_spectrogram() -> DiffusionPipeline:
    pipeline = tiny.audioldm2()
    pipeline.vocoder.config.sampling_rate = RATE_HZ
    return pipeline


PIPELINES: dict[str, Callable[[], DiffusionPipeline]] = {
    "StableAudioPipeline": of_a_waveform,
    "AudioLDM2Pipeline": of_a_spectrogram,
}


@dataclass(frozen=True)
class Study:
    """What a user has after the first commands."""

    pipeline: Path
    run: Path
    fitted: tuple[str | Path, ...]
    """``--sae DIR --probes DIR``."""

    @functools.cached_property
    def artifacts(self) -> Artifacts:
        _, sae, _, probes = map(Path, self.fitted)
        with open_trace(self.run / "trace.h5") as trace:
            return read_artifacts(latents_of(trace), probes, sae)

    @property
    def loudness(self) -> Probe:
        return self.artifacts.probes["loudness"]

    def loudness_class(self, latents: NDArray[np.float32]) -> NDArray[np.int64]:
        """What the probe reads in every frame."""
        code = self.artifacts.read(latents).of(self.loudness)
        return self.loudness.probabilities(code).argmax(-1)

    @property
    def request(self) -> tuple[str | Path, ...]:
        """Arguments of ``harness generate`` that make the run again."""
        small = ("--prompt", "a soft drone", "--duration", "0.3", "--steps", "6", "--guidance-scale", "3")
        return ("generate", "--generator", self.pipeline, *small, "--trace")


def write_notes(folder: Path) -> None:
    """Twelve notes of four pitches and three levels."""
    folder.mkdir()
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    for number in range(12):
        harmonics = [np.sin(2 * np.pi * NOTES_HZ[number % 4] * n * time_s) / n for n in range(1, 6)]
        soundfile.write(folder / f"{number}.wav", 0.05 * 2 ** (number % 3) * sum(harmonics), RATE_HZ)


@pytest.fixture(scope="module", params=PIPELINES)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    PIPELINES[request.param]().save_pretrained(folder / "pipeline")
    write_notes(folder / "notes")
    data, sae, probes = folder / "notes.h5", folder / "sae", folder / "probes"
    harness("dataset", "build", folder / "notes", "--codec", f"diffusers:{folder / 'pipeline'}", "--workers", "1",
            "--out", data)  # fmt: skip
    harness("train-sae", data, "--width", "32", "--k", "4", "--steps", "60", "--batch-size", "128", "--clips", "1",
            "--out", sae)  # fmt: skip
    harness("train-probes", data, "--sae", sae, "--properties", "loudness", "--every", "2", "--out", probes)
    made = Study(folder / "pipeline", folder / "run", ("--sae", sae, "--probes", probes))
    harness(*made.request, "--out", made.run)
    return made


def test_decoded_and_reported(study: Study, tmp_path: Path) -> None:
    assert harness("decode", study.run, *study.fitted)
    report = harness("report", study.run, *study.fitted, "--out", tmp_path / "report.html")
    assert "oudness" in report["finding"]


def test_a_feature_is_scaled_in_one_step(study: Study, tmp_path: Path) -> None:
    """Until then nothing differs; there the clean estimate moves by what the feature added once more."""
    sae = study.artifacts.sae
    assert sae is not None
    with open_trace(study.run / "trace.h5") as trace:
        states, before = trace.x_t[:4], torch.from_numpy(trace.x1_hat(3))
    code = sae.encode(before)
    feature = int(code.sum(0).argmax())
    wanted = code[:, feature, None] * sae.W_dec[feature]
    assert wanted.norm() > 0.1 * before.norm()
    harness(*study.request, *study.fitted, "--steer", f"feature:{feature}*2@steps:3-4", "--out", tmp_path / "run")
    with open_trace(tmp_path / "run" / "trace.h5") as trace:
        np.testing.assert_array_equal(trace.x_t[:4], states)
        assert not np.allclose(trace.x_t[4], states[3])
        moved = torch.from_numpy(trace.x1_hat(3)) - before
    torch.testing.assert_close(moved, wanted, rtol=1e-3, atol=1e-3 * float(before.abs().max()))
    assert harness("replay", tmp_path / "run", *study.fitted)["identical"]


@pytest.mark.parametrize("window", ["0-1", "0.5-1"])
def test_a_property_is_set_from_the_unsteered_estimate(study: Study, tmp_path: Path, window: str) -> None:
    """Whether one step sets it or all of them do, the aim stays what the first unsteered estimate says."""
    with open_trace(study.run / "trace.h5") as trace:
        first = next(step for step, t in enumerate(trace.t) if t >= float(window.split("-")[0]))
        unsteered = [study.loudness_class(trace.x1_hat(step)) for step in range(7)]
    harness(*study.request, *study.fitted, "--steer", f"loudness=-6dB@t:{window}", "--out", tmp_path / "run")
    with open_trace(tmp_path / "run" / "trace.h5") as trace:
        steered = [study.loudness_class(trace.x1_hat(step)) for step in range(7)]
    bins = study.loudness.info.bins
    assert bins is not None
    aim = bins.index(np.clip(bins.centres[unsteered[first]] - 6, bins.centres[0], bins.centres[-1]))
    on_target = [[float((read == aim).mean()) for read in reads] for reads in (unsteered, steered)]
    # A random network and a probe fitted on ten notes: not every frame can be brought there.
    assert on_target[1][5] > max(0.25, 3 * on_target[0][5])
    assert on_target[1][6] > on_target[0][6] + 0.2


def test_steered_and_compared(study: Study, tmp_path: Path) -> None:
    found = harness("steer", study.run, *study.fitted, "--set", "loudness=-6dB", "--seeds", "1", "--out",
                    tmp_path / "out")  # fmt: skip
    assert found["effect"]["loudness"]["target"] == pytest.approx(found["effect"]["loudness"]["baseline"] - 6)
    assert 0 < found["relative_norm"]["steered"] < 3
    assert Path(found["report"]).is_file()


@pytest.mark.parametrize("study", ["StableAudioPipeline"], indirect=True)
def test_step_counts_are_compared_by_what_is_decoded(study: Study, tmp_path: Path) -> None:
    _, *sampled, _ = study.request
    sampled[sampled.index("--steps") + 1] = "6,3"
    found = harness("compare-steps", *sampled, *study.fitted, "--out", tmp_path / "out")
    assert len(found["arms"]["3 steps"]["loudness decoded right"]) == 4


@pytest.mark.parametrize("study", ["StableAudioPipeline"], indirect=True)
def test_what_was_fitted_survives_a_moved_folder(study: Study, tmp_path: Path) -> None:
    moved = shutil.copytree(study.pipeline, tmp_path / "moved")
    again = [moved if part == study.pipeline else part for part in study.request]
    harness(*again, *study.fitted, "--steer", "feature:1*1", "--out", tmp_path / "run")
    with open_trace(tmp_path / "run" / "trace.h5") as trace, open_trace(study.run / "trace.h5") as before:
        np.testing.assert_array_equal(trace.x_t[6], before.x_t[6])
        assert trace.codec_id == before.codec_id
    shutil.rmtree(moved)
    gone = CliRunner().invoke(cli, ["report", str(tmp_path / "run"), *map(str, study.fitted)])
    assert gone.exit_code == 1
    assert "there is no such folder" in gone.stderr
    harness("report", tmp_path / "run", *study.fitted, "--generator", study.pipeline)
