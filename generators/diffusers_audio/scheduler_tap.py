"""Standing between a pipeline and its scheduler for as long as a ``with`` lasts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

BeforeFn = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(prediction, sample) -> the same two``, as the scheduler is to get them."""
AfterFn = Callable[[Tensor], Tensor]
"""``next sample -> next sample``, as the pipeline is to get it."""


@contextmanager
def tapped(scheduler: Any, before: BeforeFn, after: AfterFn) -> Iterator[None]:
    """Call ``before`` and ``after`` around every ``scheduler.step``; on exit, also by an exception, all is as it was.

    The scheduler becomes an instance of a subclass of its class. A copy made meanwhile is of that subclass too, but
    only the scheduler itself is watched: pipelines of sound with video copy theirs for the other medium.
    """
    kind = type(scheduler)

    @functools.wraps(kind.step)
    def step(self: Any, model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self is not scheduler:
            return kind.step(self, model_output, timestep, sample, *args, **kwargs)
        model_output, sample = before(model_output, sample)
        result = kind.step(self, model_output, timestep, sample, *args, **kwargs)
        if isinstance(result, tuple):
            return (after(result[0]), *result[1:])
        result.prev_sample = after(result.prev_sample)
        return result

    # Pipelines look at the signature of step and at the name of the class; both stay.
    scheduler.__class__ = type(kind.__name__, (kind,), {"step": step, "__module__": kind.__module__})
    try:
        yield
    finally:
        scheduler.__class__ = kind
