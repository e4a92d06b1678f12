"""The command on the page makes the same request again."""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from generators.base import GenerationRequest
from harness.cli.generate import command as generate
from harness.report.panels.provenance import command

REQUEST = GenerationRequest("x", duration_s=1.5, num_inference_steps=8, guidance_scale=2.5, seed=2**40)


@pytest.mark.parametrize("prompt", ["plain", "", 'it\'s "quoted" $HOME `x` \\', "two\nlines", "--help", "🎺"])
def test_command_parses_back_to_the_request(prompt):
    request = dataclasses.replace(REQUEST, prompt=prompt, options={"sway": -1.0, "mode": "a b"})
    loaded = {"attention": "causal", "max_frames": 32, "vae": "a folder", "trust_remote_code": True}
    metadata = {"source_dtype": "float16", "extra": {"load": loaded}}
    text = command("some/folder", dataclasses.asdict(request), metadata)
    words = shlex.split(text)
    assert words[:2] == ["harness", "generate"]
    given = generate.make_context("generate", words[2:], resilient_parsing=False).params
    assert given["prompts"] == (prompt,)
    assert given["generator"] == "some/folder"
    assert (given["seed"], given["steps"]) == (request.seed, request.num_inference_steps)
    assert (given["guidance_scale"], given["duration"]) == (request.guidance_scale, request.duration_s)
    assert dict(given["settings"]) == request.options
    assert given["dtype"] == "float16"
    assert {**given["load_settings"], "trust_remote_code": given["trust_remote_code"]} == loaded
    assert given["report"]
