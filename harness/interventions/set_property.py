"""Set a property of the sound: it finds the direction itself, and moves no further than needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from analysis.probes import Probe
from harness.errors import InputError
from harness.interventions.add import class_of
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.by_moves import ByMoves
from harness.interventions.by_probe import ByProbe
from harness.interventions.schedule import Schedule
from harness.interventions.site import Readers, Site


@dataclass(frozen=True)
class SetProperty(Intervention):
    """Moves what a property's probe decodes from the clean estimate to a target, in every frame that has the property.

    Give either ``change`` or ``to``, in the unit of the probe (semitones, dB, octaves). A change counts from what the
    estimate showed when the schedule began, so acting at every step does not accumulate.
    """

    property: str
    """Name of the property."""
    change: float | None = None
    """Wanted difference, in the property's unit."""
    to: float | None = None
    """Wanted value, in the property's unit."""
    schedule: Schedule = field(default=Schedule(t=(0.7, 1.0)), kw_only=True)
    """By default from t = 0.7 on: earlier, the estimate it counts from is still vague, and later edits find a model
    that follows less."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.change is None) == (self.to is None):
            raise InputError("set-property needs either a change or a value to set to, not both")
        for name in ("change", "to"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"{name} is {value}; give a finite number")
        if self.at != "x1_hat":
            raise InputError(f"set-property acts on the clean estimate x1_hat, not on {self.at}")

    def prepare(self, site: Readers) -> Edit:
        """Find what moves the property, and check that the target is one that it or the probe knows."""
        probe, moves = site.probe(self.property), site.artifacts.moves
        if moves is None or self.property != moves.classed:
            self._check_target(probe)
        if moves is not None and self.property in (moves.classed, *moves.gradual):
            there, last = moves.to(site.device), self._last(site)
            return _caught_up(ByMoves(self.property, self.change, self.to, there, site, last), site)
        return _caught_up(ByProbe(self.change, self.to, probe, site.sae(self.at)), site)

    def _check_target(self, probe: Probe) -> None:
        bins = probe.info.bins
        if self.to is not None:
            class_of(probe, self.to)
        elif bins is not None and abs(self.change or 0.0) > bins.edges[-1] - bins.edges[0]:
            span = bins.edges[-1] - bins.edges[0]
            raise InputError(
                f"{self.property} change {self.change:g} is beyond what the probe knows; give at most {span:.4g} "
                f"{probe.info.unit} either way"
            )

    def _last(self, site: Readers) -> int:
        """Return the last update that acts; 0 where nothing is generated."""
        strengths = self.schedule.strengths(site.plan.times) if isinstance(site, Site) else (1.0,)
        return max((step for step, strength in enumerate(strengths) if strength), default=0)


def _caught_up(edit: Edit, site: Readers) -> Edit:
    """Let the first edit of a generation also bring the state to where it would be, had it acted from the start.

    A state at time t holds ``t`` times the clean latent. Where the target differs by D from what the state holds, one
    ordinary step leaves a mixture of both, and the model's next estimates are of a mixture. So the first step makes up
    for all steps before it: the state it leads to, at time t', then holds ``t' D`` more.
    """
    if not isinstance(site, Site):
        return edit
    times, begun = site.plan.times, False

    def first_more(value: Tensor, moment: Moment) -> Tensor:
        nonlocal begun
        edited = edit(value, moment)
        if begun:
            return edited
        begun = True
        t, after = times[moment.point.step], times[moment.point.step + 1]
        return value + (after * (1 - t) / (after - t)) * (edited - value)

    return first_more
