"""Watch, decode and steer audio diffusion.

The names below are what scripts and notebooks need; each is loaded when it is first used, so importing this package is
light: no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.base import GenerationRequest as GenerationRequest
    from generators.base import HookPoint as HookPoint
    from harness.interventions.ablate import Ablate as Ablate
    from harness.interventions.add import Add as Add
    from harness.interventions.bind import bind as bind
    from harness.interventions.call import Call as Call
    from harness.interventions.clamp import Clamp as Clamp
    from harness.interventions.patch import Patch as Patch
    from harness.interventions.random_direction import RandomDirection as RandomDirection
    from harness.interventions.scale import Scale as Scale
    from harness.interventions.schedule import Schedule as Schedule
    from harness.interventions.set_property import SetProperty as SetProperty
    from harness.interventions.steer import steer as steer
    from harness.interventions.until import Until as Until
    from harness.models import load_codec as load_codec
    from harness.models import load_generator as load_generator
    from harness.pipeline import run as run
    from harness.store.reader import open_trace as open_trace

__version__ = "0.1.0"

_PLACES = {
    "Ablate": "harness.interventions.ablate",
    "Add": "harness.interventions.add",
    "Call": "harness.interventions.call",
    "Clamp": "harness.interventions.clamp",
    "GenerationRequest": "generators.base",
    "HookPoint": "generators.base",
    "Patch": "harness.interventions.patch",
    "RandomDirection": "harness.interventions.random_direction",
    "Scale": "harness.interventions.scale",
    "Schedule": "harness.interventions.schedule",
    "SetProperty": "harness.interventions.set_property",
    "Until": "harness.interventions.until",
    "bind": "harness.interventions.bind",
    "load_codec": "harness.models",
    "load_generator": "harness.models",
    "open_trace": "harness.store.reader",
    "run": "harness.pipeline",
    "steer": "harness.interventions.steer",
}
__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
