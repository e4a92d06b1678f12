"""How noisy each state is, and what a prediction says about the clean latent: one convention for every scheduler.

A scheduler's state is ``x = alpha * x1 + sigma * noise``. Divided by ``alpha + sigma`` it lies on the straight path
``x_t = t * x1 + (1 - t) * noise`` with ``t = alpha / (alpha + sigma)``, whatever the family, and the prediction m
becomes a velocity for which ``x1_hat = x_t + (1 - t) * velocity`` holds (docs/decisions, "One convention").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from generators.base import RequestError
from generators.diffusers_audio.exchange import fitting


@dataclass(frozen=True)
class Level:
    """The noise in one state, and how that state and the prediction m made from it combine: all plain numbers."""

    alpha: float
    """Share of the data in the scheduler's state."""
    sigma: float
    """Share of the noise."""
    of_x: float = 1.0
    """``x1_hat = of_x * x + of_m * m``, with x the scheduler's own state."""
    of_m: float = 0.0

    @property
    def scale(self) -> float:
        """What divides the scheduler's state."""
        # Computed as (1 - s) + s it may miss 1 by a rounding, and flow models are not scaled at all.
        total = self.alpha + self.sigma
        return 1.0 if math.isclose(total, 1.0, rel_tol=1e-7) else total

    @property
    def t(self) -> float:
        """Time, 0 = noise, 1 = data."""
        return self.alpha / (self.alpha + self.sigma)

    @property
    def known(self) -> bool:
        """Whether it is known what the prediction says."""
        return math.isfinite(self.of_m)

    @property
    def velocity_of_x(self) -> float:
        """``velocity = velocity_of_x * x + velocity_of_m * m``."""
        return (self.of_x * self.scale - 1) / self.sigma

    @property
    def velocity_of_m(self) -> float:
        """How the velocity follows m; its inverse turns a wanted change of the velocity into one of m."""
        return self.of_m * self.scale / self.sigma


DATA = Level(alpha=1.0, sigma=0.0)
"""The final state: it is what gets decoded, so it is data, whatever noise a schedule leaves in it on paper."""


def unknown_levels(steps: int) -> tuple[Level, ...]:
    """Levels of a run of which only the states are recorded: t counts steps, predictions become NaN."""
    return (*(Level(k / steps, 1 - k / steps, 1.0, math.nan) for k in range(steps)), DATA)


LevelsFn = Callable[[Any], list[Level]]
"""Reads the levels of all states but the last off a scheduler whose timesteps are set."""


def levels_of(scheduler: Any) -> tuple[Level, ...]:
    """Read the S + 1 levels of a run off a scheduler whose timesteps are set.

    Raises
    ------
    RequestError
        Names a scheduler or prediction type that is not known here, or one that calls the network several times a step.
    """
    name = type(scheduler).__name__
    family = next((FAMILIES[kind.__name__] for kind in type(scheduler).__mro__ if kind.__name__ in FAMILIES), None)
    if family is None:
        raise RequestError(
            f"scheduler {name} is not known: what it predicts cannot be told from here; {_instead_of(name)}"
        )
    levels = family(scheduler)
    times = [level.t for level in levels]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)) or times[-1] >= 1:
        raise RequestError(
            f"the schedule of {name} does not run from noise to data in single steps; {_instead_of(name)}"
        )
    return (*levels, DATA)


def _instead_of(name: str) -> str:
    """Say what can be done where a scheduler cannot be shown."""
    others = fitting(name)
    change = f"take another with --set scheduler=NAME ({', '.join(others)}), or " if others else ""
    return f"{change}record x_t alone with --set record=x_t"


def _flow(scheduler: Any) -> list[Level]:
    sigmas = _numbers(scheduler.sigmas[:-1])
    if scheduler.config.invert_sigmas:
        return [Level(u, 1 - u, 1.0, 1 - u) for u in sigmas]
    return [Level(1 - s, s, 1.0, -s) for s in sigmas]


def _edm(scheduler: Any) -> list[Level]:
    d = float(scheduler.config.sigma_data)
    sign = _pick(scheduler, {"v_prediction": -1.0, "epsilon": 1.0})
    return [
        Level(1.0, s, d**2 / (s**2 + d**2), sign * s * d / math.hypot(s, d)) for s in _numbers(scheduler.sigmas[:-1])
    ]


def _variance_preserving(scheduler: Any) -> list[Level]:
    """DDIM and DDPM: levels by timestep."""
    if str(scheduler.config.get("variance_type", "")).startswith("learned"):
        raise RequestError(f"{type(scheduler).__name__} with a learned variance is not known; take another scheduler")
    alphas = scheduler.alphas_cumprod[scheduler.timesteps.cpu()]
    return [_preserving(scheduler, math.sqrt(a), math.sqrt(1 - a)) for a in _numbers(alphas)]


def _solver(scheduler: Any) -> list[Level]:
    """Read the DPM-Solver family, which keeps sigma / alpha."""
    sigmas = _numbers(scheduler.sigmas[: len(scheduler.timesteps)])
    if scheduler.config.get("use_flow_sigmas"):
        return [_preserving(scheduler, 1 - s, s) for s in sigmas]
    return [_preserving(scheduler, 1 / math.hypot(1, s), s / math.hypot(1, s)) for s in sigmas]


def _preserving(scheduler: Any, alpha: float, sigma: float) -> Level:
    by_type: dict[str, Callable[[], tuple[float, float]]] = {
        "epsilon": lambda: (1 / alpha, -sigma / alpha),
        "v_prediction": lambda: (alpha, -sigma),
        "sample": lambda: (0.0, 1.0),
        "flow_prediction": lambda: (1.0, -sigma),
    }
    return Level(alpha, sigma, *_pick(scheduler, by_type)())


def _exploding(scheduler: Any) -> list[Level]:
    """Read the Euler family, where the data keeps its size and the noise grows."""
    by_type: dict[str, Callable[[float], tuple[float, float]]] = {
        "epsilon": lambda s: (1.0, -s),
        "v_prediction": lambda s: (1 / (s**2 + 1), -s / math.hypot(1, s)),
        "sample": lambda s: (0.0, 1.0),
    }
    of = _pick(scheduler, by_type)
    return [Level(1.0, s, *of(s)) for s in _numbers(scheduler.sigmas[: len(scheduler.timesteps)])]


def _ipndm(scheduler: Any) -> list[Level]:
    pairs = zip(_numbers(scheduler.alphas), _numbers(scheduler.betas), strict=True)
    return [Level(alpha, sigma, alpha, -sigma) for alpha, sigma in pairs][: len(scheduler.timesteps)]


FAMILIES: dict[str, LevelsFn] = {
    "FlowMatchEulerDiscreteScheduler": _flow,
    "CosineDPMSolverMultistepScheduler": _edm,
    "EDMDPMSolverMultistepScheduler": _edm,
    "EDMEulerScheduler": _edm,
    "DDIMScheduler": _variance_preserving,
    "DDPMScheduler": _variance_preserving,
    "DPMSolverMultistepScheduler": _solver,
    "DPMSolverSinglestepScheduler": _solver,
    "UniPCMultistepScheduler": _solver,
    "SASolverScheduler": _solver,
    "DEISMultistepScheduler": _solver,
    "EulerDiscreteScheduler": _exploding,
    "EulerAncestralDiscreteScheduler": _exploding,
    "LMSDiscreteScheduler": _exploding,
    "HeunDiscreteScheduler": _exploding,
    "IPNDMScheduler": _ipndm,
}
"""Schedulers by class name; a class derived from one of them counts as it."""


def _pick(scheduler: Any, by_type: dict[str, Any]) -> Any:
    """Choose by the scheduler's prediction type. Raises ``RequestError`` for another."""
    kind = scheduler.config.prediction_type
    if kind not in by_type:
        raise RequestError(
            f"{type(scheduler).__name__} predicts {kind!r}, which is not known; known are {', '.join(by_type)}"
        )
    return by_type[kind]


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in values]
