"""A user's own function as an intervention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from generators.base import HookPoint
from harness.errors import InputError
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.site import Site


@dataclass(frozen=True)
class Call(Intervention):
    """Calls a function with each value; what it returns takes the value's place, None leaves it.

    The trace keeps the function's name only, so a replay needs the script that defines it.
    """

    function: Callable[[Tensor, HookPoint], Tensor | None]
    """``function(value [B, T, C] in float32, point) -> replacement of its shape, or None``; at other strengths than 1
    its change is scaled."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            raise InputError(f"call needs a function, not {type(self.function).__name__}; a replay needs its --script")

    def prepare(self, site: Site) -> Edit:
        """Take the function as it is."""

        def edit(value: Tensor, moment: Moment) -> Tensor:
            replacement = self.function(value.clone(), moment.point)
            if replacement is None:
                return value
            if not isinstance(replacement, Tensor) or replacement.shape != value.shape:
                given = tuple(replacement.shape) if isinstance(replacement, Tensor) else type(replacement).__name__
                name = getattr(self.function, "__name__", "the function")
                raise InputError(f"{name} returned {given}; return None or a tensor of shape {tuple(value.shape)}")
            return value + moment.strength * (replacement.to(value) - value)

        return edit
