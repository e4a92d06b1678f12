from __future__ import annotations

import pytest

from generators.base import CheckpointError, GenerationRequest
from generators.closed_form import ClosedFormGenerator
from generators.codecs.closed_form import FACTORS
from harness import open_trace
from harness.errors import HarnessError, InputError
from harness.models import load_codec_of, load_generator, require_codec
from harness.pipeline import run


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
