"""Setting a property by fitted moves (``analysis.moves``): the target is moved, the other properties are held."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from analysis.moves.moves import Moves
from harness.errors import InputError
from harness.interventions.base import Moment
from harness.interventions.reading import ProbeReader
from harness.interventions.site import Readers

SILENT_DB = -78.0
"""Frames whose loudness the gauge reads below this have no pitch or timbre to move."""
ROUNDED = 0.005
"""How far a change may be from whole classes: two thirds of 3, written 0.667, are 2 semitones."""


class Reference(NamedTuple):
    """What the first estimate of a generation fixed."""

    classes: Tensor | None
    """``[B, T]``: wanted classes, where the property has classes."""
    gradual: Tensor
    """``[B, T, G]``: wanted values of the gradual properties."""
    sounding: Tensor
    """``[B, T, 1]`` bool: the frames that are moved."""


class ByMoves:
    """The edit of one generation. What the first estimate showed is the reference for changes and for what is held."""

    def __init__(self, name: str, change: float | None, to: float | None, moves: Moves, site: Readers) -> None:
        self._name, self._change, self._to, self._moves = name, change, to, moves
        self._reader = ProbeReader(site.probe(name), site) if name == moves.classed else None
        classes = 0.0 if change is None else change / moves.width
        if self._reader is not None and abs(classes - round(classes)) > ROUNDED:
            raise InputError(f"{name} is moved in steps of {moves.width:g}; {change:g} is no multiple of it")
        self._reference: Reference | None = None

    def __call__(self, value: Tensor, moment: Moment) -> Tensor:
        """Move ``value [B, T, C]`` to the target."""
        now = None if self._reader is None else self._class_of(self._reader.values(value))
        wanted = self._reference = self._reference or self._refer(value, now)
        edited = value
        if now is not None and wanted.classes is not None:
            edited = self._moves.to_class(edited, now, wanted.classes)
        edited = self._moves.to_values(edited, wanted.gradual)
        return value + moment.strength * torch.where(wanted.sounding, edited - value, torch.zeros_like(value))

    def _refer(self, value: Tensor, now: Tensor | None) -> Reference:
        """Take ``value`` as the reference and set the targets."""
        moves, gradual = self._moves, self._moves.read(value)
        sounding = torch.ones_like(value[..., :1], dtype=torch.bool)
        if "loudness" in moves.gradual and self._name != "loudness":
            sounding = gradual[..., [moves.gradual.index("loudness")]] > SILENT_DB
        if now is not None:
            moved = now + round((self._change or 0.0) / moves.width)
            goal = moved if self._to is None else self._class_of(torch.full(now.shape, self._to, device=now.device))
            return Reference(goal.clamp(0, moves.count - 1), gradual, sounding)
        index = moves.gradual.index(self._name)
        gradual[..., index] = gradual[..., index] + (self._change or 0.0) if self._to is None else self._to
        return Reference(None, gradual, sounding)

    def _class_of(self, values: Tensor) -> Tensor:
        moves = self._moves
        return ((values - moves.first) / moves.width).round().long().clamp(0, moves.count - 1)
