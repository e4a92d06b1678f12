"""Setting a property by fitted moves (``analysis.moves``): the target is moved, the other properties are held."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

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
LEVEL_ROUNDS, MOST_DB = 2, 6.0
"""How often the last edit is corrected by what the codec would make of it, and by how much at once."""


@runtime_checkable
class TellsLevel(Protocol):
    """A codec that knows how loud latents are without decoding them to sound."""

    def level_db(self, latents: Tensor) -> Tensor:
        """Return the level ``[B, T]`` of latents ``[B, T, C]``, up to a constant."""


class Reference(NamedTuple):
    """What the first estimate of a generation fixed."""

    classes: Tensor | None
    """``[B, T]``: wanted classes, where the property has classes."""
    gradual: Tensor
    """``[B, T, G]``: wanted values of the gradual properties."""
    level_db: Tensor | None
    """``[B, T]``: wanted level, where the codec tells it."""
    sounding: Tensor
    """``[B, T, 1]`` bool: the frames that are moved."""


class ByMoves:
    """The edit of one generation. What the first estimate showed is the reference for changes and for what is held.

    The gauge says what an edit did to the level within a few dB only. So in the ``last`` update, what is left to the
    wanted level is measured with the codec, if it tells levels, and made up for.
    """

    def __init__(
        self, name: str, change: float | None, to: float | None, moves: Moves, site: Readers, last: int
    ) -> None:
        self._name, self._change, self._to, self._moves, self._last = name, change, to, moves, last
        codec = site.codec
        self._codec = codec if "loudness" in moves.gradual and isinstance(codec, TellsLevel) else None
        self._reader = ProbeReader(site.probe(name), site) if name == moves.classed else None
        if self._reader is not None:
            _check_classes(moves, change, to)
        self._reference: Reference | None = None

    def __call__(self, value: Tensor, moment: Moment) -> Tensor:
        """Move ``value [B, T, C]`` to the target."""
        now = None if self._reader is None else self._class_of(self._reader.values(value))
        wanted = self._reference = self._reference or self._refer(value, now)
        edited = value
        if now is not None and wanted.classes is not None:
            edited = self._moves.to_class(edited, now, wanted.classes)
        edited = self._moves.to_values(edited, wanted.gradual)
        if moment.point.step == self._last:
            edited = self._levelled(edited, wanted)
        return value + moment.strength * torch.where(wanted.sounding, edited - value, torch.zeros_like(value))

    def _levelled(self, edited: Tensor, wanted: Reference) -> Tensor:
        """Move ``edited`` until the codec tells the wanted level."""
        if self._codec is None or wanted.level_db is None:
            return edited
        aim, index = wanted.gradual.clone(), self._moves.gradual.index("loudness")
        for _ in range(LEVEL_ROUNDS):
            missing_db = wanted.level_db - self._codec.level_db(edited)
            aim[..., index] += missing_db.clamp(-MOST_DB, MOST_DB)
            edited = self._moves.to_values(edited, aim)
        return edited

    def _refer(self, value: Tensor, now: Tensor | None) -> Reference:
        """Take ``value`` as the reference and set the targets."""
        moves, gradual = self._moves, self._moves.read(value)
        sounding = torch.ones_like(value[..., :1], dtype=torch.bool)
        if "loudness" in moves.gradual and self._name != "loudness":
            sounding = gradual[..., [moves.gradual.index("loudness")]] > SILENT_DB
        if now is not None:
            moved = now + round((self._change or 0.0) / moves.width)
            goal = moved if self._to is None else self._class_of(torch.full(now.shape, self._to, device=now.device))
            return Reference(goal.clamp(0, moves.count - 1), gradual, self._level_of(value), sounding)
        index, before = moves.gradual.index(self._name), gradual.clone()
        gradual[..., index] = gradual[..., index] + (self._change or 0.0) if self._to is None else self._to
        level_db = self._level_of(value)
        if self._name == "loudness" and level_db is not None:
            level_db = level_db + (gradual - before)[..., index]
        return Reference(None, gradual, level_db, sounding)

    def _level_of(self, value: Tensor) -> Tensor | None:
        return None if self._codec is None else self._codec.level_db(value)

    def _class_of(self, values: Tensor) -> Tensor:
        moves = self._moves
        return ((values - moves.first) / moves.width).round().long().clamp(0, moves.count - 1)


def _check_classes(moves: Moves, change: float | None, to: float | None) -> None:
    """Raise ``InputError`` for a change between classes, or a target that no class stands for."""
    name, last = moves.classed, moves.first + (moves.count - 1) * moves.width
    if to is not None and not moves.first - moves.width / 2 <= to <= last + moves.width / 2:
        raise InputError(f"{name} {to:g} is outside what it can be set to; give {moves.first:g} to {last:g}")
    classes = (change or 0.0) / moves.width
    if abs(classes) > moves.count - 1:
        raise InputError(
            f"{name} change {change:g} is beyond what can be moved; give at most {last - moves.first:g} either way"
        )
    if abs(classes - round(classes)) > ROUNDED:
        raise InputError(f"{name} is moved in steps of {moves.width:g}; {change:g} is no multiple of it")
