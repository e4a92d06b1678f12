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
        *("PNDMScheduler", "HeunDiscreteScheduler"),
    },
    {"EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"},
)
"""Groups of schedulers that give a network the same inputs and times, so that one may stand in for another."""
UNSEEN = {"PNDMScheduler", "HeunDiscreteScheduler"}
"""Those that call the network several times a step and cannot be shown; others may stand in for them."""


def fitting(name: str) -> list[str]:
    """Name the schedulers that a network for ``name`` can be run and shown with; empty where none is known."""
    return sorted(next((group for group in EXCHANGEABLE if name in group), set()) - UNSEEN)


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

    others = fitting(type(own).__name__)
    if name not in others:
        fit = ", ".join(others) or "none but its own"
        raise RequestError(f"scheduler {name!r} does not fit a network for {type(own).__name__}; fitting: {fit}")
    # Left to itself, diffusers takes over only what was written down, and a class's defaults, such as how steps are
    # spaced, would differ between the two.
    return getattr(diffusers, name).from_config({key: own.config[key] for key in own.config if key[0] != "_"})
