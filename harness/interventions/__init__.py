"""Changing what a generator is about to make: kinds of interventions, and their form in a trace. Importing is light.

A kind is a frozen dataclass (``base.Intervention``) in a file of its own and one line in ``KINDS``; installed packages
add kinds through entry points of the group ``harness.interventions``. ``bind.bind`` turns interventions into hooks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.interventions.base import Intervention

KINDS: dict[str, str] = {
    "scale": "harness.interventions.scale:Scale",
    "clamp": "harness.interventions.clamp:Clamp",
    "ablate": "harness.interventions.ablate:Ablate",
    "add": "harness.interventions.add:Add",
    "set-property": "harness.interventions.set_property:SetProperty",
    "patch": "harness.interventions.patch:Patch",
    "random-direction": "harness.interventions.random_direction:RandomDirection",
    "until": "harness.interventions.until:Until",
    "call": "harness.interventions.call:Call",
}
"""Name -> ``"module:Class"`` of every built-in kind."""


def kind_of(intervention: Intervention) -> str:
    """Return the registered name of an intervention's class, or ``module:Class`` where it has none."""
    path = f"{type(intervention).__module__}:{type(intervention).__qualname__}"
    names = {place: name for name, place in registry.table("interventions", KINDS).items()}
    return names.get(path, path)


def to_json(intervention: Intervention) -> dict[str, Any]:
    """Return ``kind`` and all fields as JSON-ready values."""
    return {"kind": kind_of(intervention), **_plain_fields(intervention)}


def from_json(document: Mapping[str, Any]) -> Intervention:
    """Read what ``to_json`` wrote.

    Raises ``InputError`` for an unknown kind or field. Only registered kinds are read: a file cannot name code to run.
    """
    values = dict(document)
    kind = registry.find("interventions", KINDS, str(values.pop("kind", None)))
    made: Intervention = _build(kind, values)
    return made


def _plain_fields(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value) if hasattr(value, "prepare") else _plain_fields(value)  # type: ignore[arg-type]
    if callable(value):  # kept as a name, which cannot be read back
        return f"{value.__module__}:{getattr(value, '__qualname__', type(value).__qualname__)}"
    return list(value) if isinstance(value, tuple) else value


def _build(kind: Any, values: Mapping[str, Any]) -> Any:
    known = [field.name for field in dataclasses.fields(kind) if field.init]
    for name in values:
        if name not in known:
            raise InputError(registry.unknown("field", name, known))
    try:
        return kind(**{name: _read(name, value) for name, value in values.items()})
    except TypeError as error:
        raise InputError(f"{kind.__name__} cannot be made of {dict(values)}: {error}") from None


def _read(name: str, value: Any) -> Any:
    from harness.interventions.schedule import Schedule

    if isinstance(value, Mapping):
        return _build(Schedule, value) if name == "schedule" else from_json(value)
    return tuple(value) if isinstance(value, list) else value
