"""A pipeline of diffusers through the command line: generated, traced, inspected, its codec used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from generators.noise import starting_noise
from harness import open_trace
from tests.generators.diffusers_audio.tiny import generator

SMALL = ("--duration", "0.25", "--steps", "3", "--guidance-scale", "3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pipeline") / "stable-audio"
    generator("stable-audio").save_pretrained(directory)
    return directory


def test_a_pipeline_is_traced(invoke, folder, tmp_path):
    shown = invoke(
        "generate", "--generator", folder, "--prompt", "a soft drone", *SMALL, "--trace", "--out", tmp_path / "run",
        "--hidden", "transformer_blocks.1", "--set", "eta=0.5", "--json",
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert shown.stderr.strip() == "" or "it/s" not in shown.stderr
    with open_trace(json.loads(shown.stdout)["runs"][0]["trace"]) as trace:
        assert trace.branches == ("cond", "uncond")
        assert trace.codec_id == "diffusers:AutoencoderOobleck"
        scale = trace.sampler["alpha"][0] + trace.sampler["sigma"][0]
        noise = starting_noise([0], *trace.x_t.shape[1:])[0].numpy()
        np.testing.assert_allclose(trace.x_t[0] * scale, noise * (500**2 + 1) ** 0.5, rtol=1e-5)
        assert np.isfinite(trace.x1_hat(1)).all()
        assert trace.hidden["transformer_blocks.1"].at(1).shape[-1] == 32
    assert invoke("inspect", tmp_path / "run").exit_code == 0


def test_bad_input(invoke, folder, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "model_index.json").write_text(
        '{"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}'
    )
    for name, phrase in ((images, "makes no audio"), ("owner/nothing", "no such folder"), ("diffusers", "no default")):
        shown = invoke("generate", "--generator", name, "--prompt", "a", *SMALL, "--out", tmp_path / "run")
        assert shown.exit_code == 1
        (line,) = shown.stderr.splitlines()
        assert phrase in line
    half = invoke(
        "generate", "--generator", folder, "--prompt", "a", *SMALL, "--dtype", "float16", "--out", tmp_path / "run"
    )
    assert half.exit_code == 2
    assert "float16 is not for a CPU" in half.stderr
    states = invoke(
        "generate", "--generator", folder, "--prompt", "a", *SMALL, "--set", "record=x_t", "--report",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert states.exit_code == 2
    assert "records states alone" in states.stderr
    assert not (tmp_path / "run").exists()


def test_schedulers_are_compared(invoke, folder, tmp_path):
    compare = ("compare-steps", "--generator", folder, "--prompt", "a soft drone", "--duration", "0.25",
               "--guidance-scale", "3", "--steps", "6", "--out", tmp_path / "out", "--json")  # fmt: skip
    shown = invoke(*compare, "--schedulers", "EDMDPMSolverMultistepScheduler,EDMEulerScheduler")
    assert shown.exit_code == 0, shown.output
    arms = json.loads(shown.stdout)["arms"]
    assert list(arms) == ["6 steps, EDMDPMSolverMultistepScheduler", "6 steps, EDMEulerScheduler"]
    assert (tmp_path / "out" / "6-steps-EDMEulerScheduler" / "trace.h5").is_file()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "log-SNR" in page
    assert "EDMEulerScheduler" in page
    for more, phrase in (
        (("--schedulers", "EDMEulerScheduler,DDIMScheduler"), "'DDIMScheduler' does not fit"),
        (("--schedulers", "EDMEulerScheduler,Nobodys"), "'Nobodys' does not fit"),
        (("--steps", "6,3", "--set", "record=x_t"), "states alone"),
        (("--sae", folder), "--sae needs --probes"),
    ):
        shown = invoke(*compare, *more, "--force")
        assert shown.exit_code == 2
        assert phrase in shown.stderr


def test_its_codec_is_used(folder):
    from harness.models import load_codec

    assert load_codec(f"diffusers:{folder}").sample_rate_hz == 800
