"""Whole generations in half precision, edited at the estimate and at a hidden layer."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from analysis.sae.base import build
from analysis.sae.config import SAEConfig
from analysis.source import Source
from generators.base import GenerationRequest
from generators.codecs.closed_form import ClosedFormCodec
from generators.diffrhythm import DiffRhythmGenerator
from generators.testing import Recorder
from harness.interventions.add import Add
from harness.interventions.bind import bind
from harness.interventions.call import Call
from harness.interventions.random_direction import RandomDirection
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule
from harness.interventions.set_property import SetProperty

LAYER = "transformer_blocks.1"
CONFIG = {
    "dim": 32,
    "depth": 2,
    "heads": 4,
    "ff_mult": 2,
    "text_dim": 8,
    "cond_dim": 8,
    "conv_layers": 1,
    "text_num_embeds": 9,
    "max_frames": 64,
}
REQUEST = GenerationRequest("", duration_s=0.5, num_inference_steps=4)


def doubled(value, point):
    return 2 * value


@pytest.fixture(scope="module", params=[torch.float16, torch.bfloat16], ids=str)
def half(request):
    """A DiffRhythm network with random weights in half precision."""
    whole = DiffRhythmGenerator.random(CONFIG, ClosedFormCodec(), seed=1)
    network = copy.deepcopy(whole.denoiser).to(request.param)
    style = None if whole.negative_style is None else whole.negative_style.to(request.param)
    return DiffRhythmGenerator(network, whole.codec, negative_style=style, style_source="prompt-hash")


@pytest.fixture
def with_hidden(half, artifacts):
    source = Source(half.id, half.weights_sha256, LAYER, CONFIG["dim"])
    sae = build(SAEConfig("topk", CONFIG["dim"], 64, k=8), source).requires_grad_(False)
    return dataclasses.replace(artifacts, hidden={LAYER: sae})


@pytest.mark.parametrize(
    "edit",
    [
        SetProperty("pitch", 2.0, schedule=Schedule()),
        SetProperty("loudness", -6.0),
        Scale((1, 2, 3), 100.0, keep_norm=True),
        Add(property="pitch", value=64.0, mode="paek", strength=5.0),
        RandomDirection(Scale((1, 2, 3), 5.0)),
        Call(doubled, at="velocity"),
        Scale((1, 2, 3), 20.0, at=LAYER),
        Add((4, 5), strength=50.0, at=LAYER),
    ],
    ids=lambda edit: f"{type(edit).__name__}-{edit.at}",
)
def test_an_edited_generation_stays_finite(half, with_hidden, edit):
    (bound,), watch = bind([edit], half, REQUEST, with_hidden), Recorder()
    edited, plain = half.generate(REQUEST, [bound, watch]), half.generate(REQUEST)
    assert all(torch.isfinite(value).all() for _, value in watch.seen)
    assert edited.latents.isfinite().all()
    assert abs(edited.audio).max() < float("inf")
    assert all(0 < float(size) < float("inf") for size in bound.record.values())
    assert not torch.equal(edited.latents, plain.latents)
    assert {value.dtype for point, value in watch.seen if point.name == LAYER} == {
        next(half.denoiser.parameters()).dtype
    }
