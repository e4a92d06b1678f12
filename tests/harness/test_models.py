from __future__ import annotations

import shutil

import numpy as np
import pytest
from huggingface_hub import constants

from generators.base import CheckpointError, GenerationRequest
from generators.closed_form import ClosedFormGenerator
from generators.codecs.closed_form import FACTORS
from harness import open_trace
from harness.errors import HarnessError, InputError
from harness.models import load_codec_of, load_generator, require_codec
from harness.pipeline import run
from tests.generators.diffrhythm import published_files


def test_registered_name():
    assert isinstance(load_generator("closed-form"), ClosedFormGenerator)


def test_folder(tmp_path):
    ClosedFormGenerator.from_pretrained().save_pretrained(tmp_path / "model")
    loaded = load_generator(str(tmp_path / "model"))
    assert loaded.weights_sha256 == ClosedFormGenerator.from_pretrained().weights_sha256


def test_a_registered_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "closed-form").mkdir()
    assert load_generator("closed-form").id == "closed-form"
    with pytest.raises(CheckpointError, match="missing"):
        load_generator("./closed-form")


@pytest.mark.parametrize(
    ("name", "options", "phrase"),
    [
        ("closedform", {}, "did you mean 'closed-form'"),
        ("no/such/folder", {}, "no generator folder"),
        ("closed-form", {"dtype": "float61"}, "did you mean 'float16'"),
        ("closed-form", {"device": "gpu"}, "unknown device"),
        ("closed-form", {"device": "meta"}, "not available"),
    ],
)
def test_bad_names(name, options, phrase):
    with pytest.raises(InputError, match=phrase):
        load_generator(name, **options)


def test_registered_class_that_is_not_there(monkeypatch):
    monkeypatch.setitem(__import__("generators").GENERATORS, "broken", "generators.closed_form:Nothing")
    with pytest.raises(HarnessError, match=r"closed_form:Nothing, which cannot be loaded"):
        load_generator("broken")


def test_codec_of_a_trace_is_the_one_it_was_made_with(tmp_path):
    request = GenerationRequest("C4", num_inference_steps=2, duration_s=0.2)
    model = tmp_path / "model"
    ClosedFormGenerator.from_pretrained().save_pretrained(model)
    (result,) = run(load_generator(str(model)), [request], tmp_path / "run", trace=True)
    assert result.trace is not None
    with open_trace(result.trace) as trace:
        require_codec(trace, load_codec_of(trace))
        ClosedFormGenerator([FACTORS[0], FACTORS[2], FACTORS[1]]).save_pretrained(model)
        with pytest.raises(InputError, match="was made with codec 'closed-form', weights"):
            require_codec(trace, load_codec_of(trace))


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """Return a cache as the hub's client lays it out, with a small DiffRhythm v1.0 and its autoencoder."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name, vae in (("ASLP-lab/DiffRhythm-base", False), ("ASLP-lab/DiffRhythm-vae", True)):
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs/main").write_text("abc")
        folder = published_files.write(repository / "snapshots/abc", vae=vae)
        if vae:
            (folder / "cfm_model.pt").unlink()
    return tmp_path / "hub"


@pytest.mark.usefixtures("hub_cache")
def test_published_models_come_from_the_hubs_cache():
    generator = load_generator("ASLP-lab/DiffRhythm-base")
    assert generator.id == "ASLP-lab/DiffRhythm-base"
    assert generator.denoiser.config["attention"] == "causal"
    assert generator.licences["ASLP-lab/DiffRhythm-base"] == "Apache-2.0"
    overridden = load_generator("ASLP-lab/DiffRhythm-base", settings={"attention": "bidirectional"})
    assert "never saw" in overridden.remarks[0]


def test_published_models_that_are_not_here(hub_cache):
    with pytest.raises(HarnessError, match="harness models fetch ASLP-lab/DiffRhythm-1_2'"):
        load_generator("diffrhythm")
    shutil.rmtree(hub_cache / "models--ASLP-lab--DiffRhythm-vae")
    with pytest.raises(HarnessError, match="harness models fetch ASLP-lab/DiffRhythm-vae'"):
        load_generator("ASLP-lab/DiffRhythm-base")
    with pytest.raises(InputError, match="part of other models"):
        load_generator("ASLP-lab/DiffRhythm-vae")


def test_weights_of_a_registered_generator(tmp_path):
    folder = published_files.write(tmp_path / "w")
    by_name = load_generator("diffrhythm", weights=folder, settings={"attention": "causal"})
    assert by_name.denoiser.config["attention"] == "causal"
    assert load_generator(str(folder)).weights_sha256 == by_name.weights_sha256
    with pytest.raises(InputError, match="names a folder already"):
        load_generator(str(folder), weights=folder)
    with pytest.raises(InputError, match="no setting 'attention' to be loaded with; it has none"):
        load_generator("closed-form", settings={"attention": "causal"})


@pytest.mark.usefixtures("hub_cache")
def test_the_codec_of_a_published_models_trace_is_loaded_alone(tmp_path):
    generator = load_generator("ASLP-lab/DiffRhythm-base", settings={"max_frames": 32})
    style = tmp_path / "style.npy"
    np.save(style, np.ones(published_files.COND_DIM, np.float32))
    request = GenerationRequest("", num_inference_steps=2, options={"style_embedding": str(style)})
    (result,) = run(generator, [request], tmp_path / "run", trace=True)
    (tmp_path / "hub/models--ASLP-lab--DiffRhythm-base/snapshots/abc/cfm_model.pt").unlink()
    with open_trace(result.trace) as trace:
        require_codec(trace, load_codec_of(trace))
        assert trace.sampler["licences"]["ASLP-lab/DiffRhythm-vae"]
