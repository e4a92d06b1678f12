"""Running a pipeline with another scheduler than its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from generators.base import RequestError

EXCHANGEABLE = (
    {
        *("DDIMScheduler", "DDPMScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"),
        *("UniPCMultistepScheduler", "SASolverScheduler", "DEISMultistepScheduler"),
        *("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler"),
    },
    {"EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"},
)
"""Groups of schedulers that give a network the same inputs and times, so that one may stand in for another."""


@contextmanager
def exchanged(pipeline: Any, name: str | None) -> Iterator[None]:
    """Give the pipeline the scheduler of class ``name`` (None = its own), with the same settings, inside the ``with``.

    Raises ``RequestError`` for a scheduler that its network was not trained for.
    """
    own = pipeline.scheduler
    if name is None or name == type(own).__name__:
        yield
        return
    pipeline.scheduler = _made_from(own, name)
    try:
        yield
    finally:
        pipeline.scheduler = own


def _made_from(own: Any, name: str) -> Any:
    import diffusers

    others = next((group for group in EXCHANGEABLE if type(own).__name__ in group), set())
    if name not in others:
        fit = ", ".join(sorted(others)) or "none but its own"
        raise RequestError(f"scheduler {name!r} does not fit a network for {type(own).__name__}; fitting: {fit}")
    # Left to itself, diffusers takes over only what was written down, and a class's defaults, such as how steps are
    # spaced, would differ between the two.
    return getattr(diffusers, name).from_config({key: own.config[key] for key in own.config if key[0] != "_"})
