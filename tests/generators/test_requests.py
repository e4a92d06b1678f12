"""Checks and defaults of requests that the conformance suite does not reach."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from generators.base import GenerationRequest, RequestError
from generators.requests import RequestRules, resolve_request, settled

RULES = RequestRules(duration_s=2.0, num_inference_steps=32, guidance_scale=1.0, max_duration_s=8.0)
SINGS = dataclasses.replace(RULES, lyrics=True, negative_prompt=True, options={"sway": None, "layout": "plain"})


def test_defaults_fill_what_is_open() -> None:
    resolved = resolve_request(GenerationRequest("x"), SINGS)
    assert (resolved.duration_s, resolved.num_inference_steps, resolved.guidance_scale) == (2.0, 32, 1.0)
    assert resolved.options == {"sway": None, "layout": "plain"}
    assert resolved.lyrics is resolved.negative_prompt is None


def test_given_values_stay() -> None:
    request = GenerationRequest("x", "y", "[00:01.00]z", 8.0, 1000, 0.0, 2**63 - 1, {"sway": -1.0, "layout": "plain"})
    assert resolve_request(request, SINGS) == request


def test_numpy_numbers_become_plain_ones() -> None:
    request = GenerationRequest("", duration_s=np.float32(1.5), num_inference_steps=np.int64(2), seed=np.int32(7))  # type: ignore[arg-type]
    resolved = resolve_request(request, RULES)
    assert [type(v) for v in (resolved.duration_s, resolved.num_inference_steps, resolved.seed)] == [float, int, int]


@pytest.mark.parametrize("prompt", ["", "\N{MUSICAL KEYBOARD}", "<script>alert(1)</script>", "x" * 10_000])
def test_any_text_is_a_prompt(prompt: str) -> None:
    assert resolve_request(GenerationRequest(prompt), RULES).prompt == prompt


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_inference_steps": 1}, "`num_inference_steps` is 1; give a whole number from 2 to 1000"),
        ({"num_inference_steps": "many"}, "`num_inference_steps` is 'many'; give a whole number from 2 to 1000"),
        ({"duration_s": 8.5}, "`duration_s` is 8.5; give more than 0 and at most 8 seconds"),
        ({"duration_s": True}, "`duration_s` is True; give a number"),
        (
            {"guidance_scale": float("nan")},
            "`guidance_scale` is nan; give a finite number, 0 or more (0 = no guidance)",
        ),
        ({"guidance_scale": [1]}, "`guidance_scale` is [1]; give a number"),
        ({"seed": 2**70}, f"`seed` is {2**70}; give a whole number from 0 to {2**63 - 1}"),
        ({"prompt": b"bytes"}, "`prompt` is bytes; give text"),
        ({"prompt": "a\udc80"}, "`prompt` holds bytes that are not UTF-8 (at character 1); give text"),
        ({"lyrics": 3}, "`lyrics` is int; give text"),
        ({"options": {"swey": 1}}, "unknown option `swey`; did you mean 'sway'? Known: layout, sway"),
        ({"options": {"zzz": 1}}, "unknown option `zzz`. Known: layout, sway"),
    ],
    ids=str,
)
def test_messages_say_what_is_allowed(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        resolve_request(dataclasses.replace(GenerationRequest("x"), **changes), SINGS)
    assert str(error.value) == message


@pytest.mark.parametrize("changes", [{"lyrics": "la"}, {"negative_prompt": "noise"}])
def test_what_means_nothing_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="leave"):
        resolve_request(dataclasses.replace(GenerationRequest("x"), **changes), RULES)


def test_settled_passes_values_and_refuses_none() -> None:
    assert settled(0.0) == 0.0
    with pytest.raises(ValueError, match="not resolved"):
        settled(None)
