"""The checks and defaults that every generator applies to a request."""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from generators.base import GenerationRequest, Generator, RequestError, SamplingPlan

MIN_STEPS, MAX_STEPS = 2, 1000
MAX_SEED = 2**63 - 1

T = TypeVar("T")


@dataclass(frozen=True)
class RequestRules:
    """What one generator allows and fills in."""

    duration_s: float
    """Default length."""
    num_inference_steps: int
    """Default number of updates."""
    guidance_scale: float
    """Default guidance."""
    max_duration_s: float
    """Longest audio the generator makes."""
    negative_prompt: bool = False
    """Whether a negative prompt means anything to it."""
    lyrics: bool = False
    """Whether it sings."""
    min_duration_s: float = 0.0
    """Shortest; 0 = anything above it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its own settings and their defaults; the generator checks their values."""


def resolve_request(request: GenerationRequest, rules: RequestRules) -> GenerationRequest:
    """Fill the defaults of ``rules`` in and check every value.

    Raises
    ------
    RequestError
        Says what was given and what is allowed.
    """
    if not rules.negative_prompt and request.negative_prompt is not None:
        raise RequestError("this generator has no negative prompt; leave `negative_prompt` out")
    if not rules.lyrics and request.lyrics is not None:
        raise RequestError("this generator does not sing; leave `lyrics` out")
    for name in ("prompt", "negative_prompt", "lyrics"):
        _check_text(name, getattr(request, name), optional=name != "prompt")
    return dataclasses.replace(
        request,
        duration_s=_duration(_or_default(request.duration_s, rules.duration_s), rules),
        num_inference_steps=_integer(
            "num_inference_steps",
            _or_default(request.num_inference_steps, rules.num_inference_steps),
            MIN_STEPS,
            MAX_STEPS,
        ),
        guidance_scale=_guidance(_or_default(request.guidance_scale, rules.guidance_scale)),
        seed=_integer("seed", request.seed, 0, MAX_SEED),
        options=_options(request.options, rules.options),
    )


def resolve_batch(
    generator: Generator, requests: Sequence[GenerationRequest]
) -> tuple[list[GenerationRequest], SamplingPlan]:
    """Resolve requests that are to run as one batch. Raises ``RequestError`` unless they share one plan."""
    if not requests:
        raise RequestError("no request was given; give at least one")
    resolved = [generator.resolve(request) for request in requests]
    plan = generator.plan(resolved[0])
    for index, request in enumerate(resolved[1:], start=1):
        if generator.plan(request) != plan:
            raise RequestError(
                f"request {index} differs from request 0 in steps, duration, guidance or options; "
                "one batch runs one plan: generate them separately"
            )
    return resolved, plan


def settled(value: T | None) -> T:
    """Return a field of a resolved request, which is never None."""
    if value is None:
        raise ValueError("this request is not resolved; call Generator.resolve first")
    return value


def _or_default(value: Any, default: Any) -> Any:
    return default if value is None else value


def _check_text(name: str, value: Any, *, optional: bool) -> None:
    if value is None and optional:
        return
    if not isinstance(value, str):
        raise RequestError(f"`{name}` is {type(value).__name__}; give text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"`{name}` holds bytes that are not UTF-8 (at character {error.start}); give text") from None


def _integer(name: str, value: Any, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise RequestError(f"`{name}` is {value!r}; give a whole number from {low} to {high}") from None
    if isinstance(value, bool) or not low <= number <= high:
        raise RequestError(f"`{name}` is {value}; give a whole number from {low} to {high}")
    return number


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | str):
        raise RequestError(f"`{name}` is {value!r}; give a number")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(f"`{name}` is {value!r}; give a number") from None


def _duration(value: Any, rules: RequestRules) -> float:
    duration_s, low_s, high_s = _number("duration_s", value), rules.min_duration_s, rules.max_duration_s
    if not low_s <= duration_s <= high_s or duration_s == 0:
        some = f"{low_s:g} to {high_s:g}" if low_s < high_s else f"{high_s:g}"
        allowed = some if low_s else f"more than 0 and at most {high_s:g}"
        raise RequestError(f"`duration_s` is {duration_s:g}; give {allowed} seconds")
    return duration_s


def _guidance(value: Any) -> float:
    scale = _number("guidance_scale", value)
    if not (math.isfinite(scale) and scale >= 0):
        raise RequestError(f"`guidance_scale` is {scale}; give a finite number, 0 or more (0 = no guidance)")
    return scale


def _options(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise RequestError(f"unknown option `{name}`{hint} Known: {', '.join(sorted(known)) or 'none'}")
    return {**known, **given}
