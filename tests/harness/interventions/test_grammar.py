from __future__ import annotations

import re

import pytest

from generators.base import GenerationRequest
from harness.errors import InputError
from harness.interventions.ablate import Ablate
from harness.interventions.add import Add
from harness.interventions.clamp import Clamp
from harness.interventions.grammar import parse_patch, parse_steer
from harness.interventions.patch import Patch
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty
from harness.interventions.until import Until
from harness.pipeline import run


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pitch=+3st@t:0.1-0.5", SetProperty("pitch", 3.0, schedule=Schedule(t=(0.1, 0.5)))),
        ("pitch=-50cents", SetProperty("pitch", -0.5)),
        ("loudness:=-20dB", SetProperty("loudness", to=-20.0)),
        ("onset_rate=+1.5", SetProperty("onset_rate", 1.5)),
        ("feature:812*2@frames:1.0s-2.5s", Scale(812, 2.0, schedule=Schedule(frames_s=(1.0, 2.5)))),
        ("feature:1,2=0.5@steps:3-9", Clamp((1, 2), 0.5, schedule=Schedule(steps=(3, 9)))),
        ("feature:7+1.5", Add(7, strength=1.5)),
        ("feature:7-1.5@strength:2", Add(7, strength=-3.0)),
        ("ablate:4,5@at:blocks.3,keep-norm", Ablate((4, 5), at="blocks.3", keep_norm=True)),
        ("add:pitch:69st@strength:0.5", Add(property="pitch", value=69.0, strength=0.5)),
        (
            "feature:7+0.5@until:loudness:-20dB,t:0.1-0.5",
            Until(Add(7, strength=0.5, schedule=Schedule(t=(0.1, 0.5))), "loudness", -20.0),
        ),
        ("paek:pitch:69", Add(property="pitch", value=69.0, mode="paek")),
        (
            "pitch=+3@t:0.3@branch:cond,shape:cosine",
            SetProperty("pitch", 3.0, schedule=Schedule(t=(0.3, 0.3), branch="cond", shape="cosine")),
        ),
    ],
)
def test_what_it_understands(text, meant):
    assert parse_steer(text) == meant


@pytest.mark.parametrize(
    ("text", "character", "phrase"),
    [
        ("", 1, "expected a property"),
        ("3", 1, "expected a property"),
        ("pitch", 6, "expected = (change), := (set) or :"),
        ("pitch=3st", 7, "a change has a sign"),
        ("pitch=+st", 7, "expected a number"),
        ("pitch=+3dB", 9, "unknown unit 'dB'; pitch takes st or cents"),
        ("pitch=+nan", 7, "expected a number"),
        ("feature:", 9, "expected the index"),
        ("feature:8", 10, "expected *NUMBER"),
        ("feature:8*x", 11, "expected a number"),
        ("featur:8*2", 1, "did you mean 'feature'"),
        ("add:pitch", 10, "expected ':'"),
        ("pitch=+3st t:0.1", 11, "expected '@'"),
        ("pitch=+3st@", 12, "expected one of t, steps"),
        ("pitch=+3st@q:1", 12, "unknown part 'q'"),
        ("pitch=+3st@t", 13, "':' after t"),
        ("pitch=+3st@t:0.5-1.5", 14, "both 0 to 1"),
        ("pitch=+3st@t:0.9-0.1", 14, "start <= stop"),
        ("pitch=+3st@t:0.1,t:0.2", 18, "given twice"),
        ("pitch=+3st@t:0.1;", 17, "expected ','"),
        ("pitch=+3st@branch:left", 19, "expected guided or cond"),
        ("pitch=+3st@steps:3", 19, "expected '-'"),
        ("pitch=+3st@frames:1s", 21, "expected '-'"),
    ],
)
def test_errors_point_at_the_character(text, character, phrase):
    with pytest.raises(InputError, match=re.escape(phrase)) as caught:
        parse_steer(text)
    rest = text[character - 1 :] or " (the end)"
    assert str(caught.value).endswith(f"; at character {character}: {text[: character - 1]} >>>{rest}")


def test_what_the_kinds_refuse_names_the_text():
    with pytest.raises(InputError, match=r"feature:8=-1: value is -1.0; give a finite activation"):
        parse_steer("feature:8=-1")


def test_patch(generator, tmp_path):
    run(generator, [GenerationRequest("C4", num_inference_steps=2, duration_s=0.1)], tmp_path / "a@b", trace=True)
    trace = tmp_path / "a@b" / "trace.h5"
    meant = Patch(str(trace), at="x_t", schedule=Schedule(t=(0.3, 0.3)))
    assert parse_patch(f"{trace}@t:0.3") == meant
    assert parse_patch(f"{trace.parent}@t:0.3") == meant
    assert parse_patch(f"{trace}@at:x1_hat") == Patch(str(trace), at="x1_hat")
    with pytest.raises(InputError, match="does not exist; give a run folder or a trace"):
        parse_patch("nowhere.h5@t:0.3")
    with pytest.raises(InputError, match="unknown part 'q'"):
        parse_patch(f"{trace}@q:0.3")
