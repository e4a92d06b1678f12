"""Steering every generation inside a ``with``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from generators.base import Generation, GenerationRequest, Generator, StepHook
from harness.decoding.artifacts import Artifacts
from harness.interventions.base import Intervention
from harness.interventions.bind import bind

Steered = TypeVar("Steered", bound=Generator)

_METHOD = "generate_batch"


@contextmanager
def steer(
    generator: Steered, interventions: Iterable[Intervention], artifacts: Artifacts | None = None
) -> Iterator[Steered]:
    """Let every generation of ``generator`` inside the ``with`` run under ``interventions``, before any other hooks.

    The generator itself is yielded, and left as it was at the end, also by an exception. May be nested: the outer
    interventions act first.

    >>> from generators.closed_form import ClosedFormGenerator
    >>> from harness.interventions.call import Call
    >>> generator = ClosedFormGenerator.from_pretrained()
    >>> with steer(generator, [Call(lambda value, point: None)]) as steered:
    ...     generation = steered.generate(GenerationRequest("C4 loud", num_inference_steps=4))
    """
    chosen = list(interventions)
    plain = generator.generate_batch
    covered = vars(generator).get(_METHOD)

    def generate_batch(requests: Sequence[GenerationRequest], hooks: Sequence[StepHook] = ()) -> list[Generation]:
        return plain(requests, [*bind(chosen, generator, requests, artifacts), *hooks])

    vars(generator)[_METHOD] = generate_batch
    try:
        yield generator
    finally:
        if covered is None:
            del vars(generator)[_METHOD]
        else:
            vars(generator)[_METHOD] = covered
