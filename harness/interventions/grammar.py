"""What ``--steer`` and ``--patch`` understand.

::

    SPEC     = WHAT [@ WHERE [, WHERE ...]]
    WHAT     = PROPERTY = +NUMBER[UNIT]          change a property: pitch=+3st, loudness=-6dB, timbre=+0.5oct
             | PROPERTY := NUMBER[UNIT]          set it: pitch:=69st (MIDI), loudness:=-20dB
             | feature:INDEX[,INDEX ...] OP      OP is *NUMBER (scale), =NUMBER (clamp), +NUMBER or -NUMBER (add)
             | ablate:INDEX[,INDEX ...]          remove features
             | add:PROPERTY:NUMBER               add a probe's class direction
             | paek:PROPERTY:NUMBER              the same as Paek et al. publish it
    WHERE    = t:FROM-TO | t:AT                  0 = noise, 1 = data; AT means the one step that covers it
             | steps:FIRST-STOP                  update indices, STOP not included
             | frames:FROMs-TOs                  seconds of the audio
             | branch:guided|cond|uncond|both
             | shape:constant|ramp|cosine
             | strength:NUMBER
             | at:HOOKPOINT
             | until:PROPERTY:NUMBER             stop, frame by frame, when the estimate shows this
             | keep-norm

``--patch TRACE[@ WHERE ...]`` takes the same WHERE; ``at`` is ``x_t`` unless it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from harness import registry, runs
from harness.errors import InputError
from harness.interventions.ablate import Ablate
from harness.interventions.add import Add
from harness.interventions.base import Intervention
from harness.interventions.clamp import Clamp
from harness.interventions.patch import Patch
from harness.interventions.scale import Scale
from harness.interventions.schedule import AT, SHAPES, Schedule
from harness.interventions.set_property import SetProperty
from harness.interventions.until import Until

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
UNITS: dict[str, dict[str, float]] = {
    "pitch": {"st": 1.0, "cents": 0.01},
    "loudness": {"dB": 1.0},
    "timbre": {"oct": 1.0},
}
"""Property -> units that may be written after a number, in the property's own unit."""
WINDOWS = ("t", "steps", "frames", "branch", "shape", "strength", "at", "until", "keep-norm")


def parse_steer(text: str) -> Intervention:
    """Read one ``--steer``. Raises ``InputError`` that points at the character that cannot be read."""
    scanner = _Scanner(text)
    build = _what(scanner)
    options, schedule = _where(scanner)
    return _made(scanner, build, options, schedule)


def parse_patch(text: str) -> Intervention:
    """Read one ``--patch``: a trace or a run folder, then where. Raises ``InputError``."""
    path, at, _ = text.rpartition("@")
    scanner = _Scanner(text, len(path) if at else len(text))
    trace = str(runs.trace_path(Path(text[: scanner.place])))
    options, schedule = _where(scanner)
    return _made(scanner, lambda **given: Patch(trace, **given), {"at": "x_t", **options}, schedule)


class _Scanner:
    """Reads a text piece by piece and remembers where it is."""

    def __init__(self, text: str, place: int = 0) -> None:
        self.text, self.place = text, place

    def take(self, pattern: str) -> str | None:
        """Read what matches ``pattern`` here, or None."""
        found = re.compile(pattern).match(self.text, self.place)
        if found is None:
            return None
        self.place = found.end()
        return found.group()

    def need(self, pattern: str, what: str) -> str:
        """Read what has to be here."""
        found = self.take(pattern)
        if found is None:
            self.fail(f"expected {what}")
        return found

    def number(self, what: str = "a number") -> float:
        """Read a number."""
        return float(self.need(NUMBER, what))

    def fail(self, fault: str, place: int | None = None) -> NoReturn:
        """Raise an error of one line that shows the text, with a mark before the character at ``place``."""
        at = self.place if place is None else place
        raise InputError(f"{fault}; at character {at + 1}: {self.text[:at]} >>>{self.text[at:] or ' (the end)'}")


def _made(
    scanner: _Scanner, build: Callable[..., Intervention], options: dict[str, Any], schedule: dict[str, Any]
) -> Intervention:
    """Build; what the text does not say of the schedule stays as the kind has it by default.

    Names the text in what the classes themselves refuse.
    """
    until = options.pop("until", None)
    try:
        made = build(**options)
    except InputError as error:
        raise InputError(f"{scanner.text}: {error}") from None
    if schedule:
        made = replace(made, schedule=_schedule(scanner, made.schedule, schedule))
    return Until(made, *until) if until else made


def _what(scanner: _Scanner) -> Callable[..., Intervention]:
    start = scanner.place
    name = scanner.need(r"[A-Za-z][\w-]*", "a property, 'feature', 'ablate', 'add' or 'paek'")
    if scanner.take(":="):
        target = _amount(scanner, name)
        return lambda **options: SetProperty(name, to=target, **options)
    if scanner.take("="):
        if scanner.text[scanner.place : scanner.place + 1] not in ("+", "-"):
            scanner.fail("expected + or -; a change has a sign, and := sets a value")
        change = _amount(scanner, name)
        return lambda **options: SetProperty(name, change, **options)
    if not scanner.take(":"):
        scanner.fail("expected = (change), := (set) or :")
    if name == "feature":
        return _feature(scanner)
    if name == "ablate":
        chosen = _indices(scanner)
        return lambda **options: Ablate(chosen, **options)
    if name in ("add", "paek"):
        return _direction(scanner, "paek" if name == "paek" else "keep")
    scanner.fail(registry.unknown("word before ':'", name, ["feature", "ablate", "add", "paek"]), start)


def _amount(scanner: _Scanner, name: str) -> float:
    """Read a number and its unit, in the property's own unit."""
    number = scanner.number()
    place = scanner.place
    unit = scanner.take(r"[A-Za-z%]+")
    if unit is None:
        return number
    if name not in UNITS:
        scanner.fail(registry.unknown("property with units", name, UNITS), place)
    known = UNITS[name]
    if unit not in known:
        scanner.fail(f"unknown unit {unit!r}; {name} takes {' or '.join(known)}", place)
    return number * known[unit]


def _indices(scanner: _Scanner) -> tuple[int, ...]:
    found = [int(scanner.need(r"\d+", "the index of a feature"))]
    while scanner.take(","):
        found.append(int(scanner.need(r"\d+", "the index of a feature")))
    return tuple(found)


def _feature(scanner: _Scanner) -> Callable[..., Intervention]:
    chosen = _indices(scanner)
    if scanner.take(r"\*"):
        factor = scanner.number()
        return lambda **options: Scale(chosen, factor, **options)
    if scanner.take("="):
        value = scanner.number()
        return lambda **options: Clamp(chosen, value, **options)
    if scanner.text[scanner.place : scanner.place + 1] in ("+", "-"):
        amount = scanner.number()
        return lambda strength=1.0, **options: Add(chosen, strength=amount * strength, **options)
    scanner.fail("expected *NUMBER (scale), =NUMBER (clamp), +NUMBER or -NUMBER (add)")


def _direction(scanner: _Scanner, mode: Any) -> Callable[..., Intervention]:
    name = scanner.need(r"[A-Za-z][\w-]*", "a property")
    scanner.need(":", "':' and a value of the property")
    value = _amount(scanner, name)
    return lambda **options: Add(property=name, value=value, mode=mode, **options)


def _where(scanner: _Scanner) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read everything after ``@``: fields of an intervention, and of its schedule with their places in the text."""
    options: dict[str, Any] = {}
    schedule: dict[str, Any] = {}
    if scanner.place == len(scanner.text):
        return options, schedule
    scanner.need("@", "'@' and where it acts, or the end")
    while True:
        _clause(scanner, schedule, options)
        if scanner.place == len(scanner.text):
            return options, schedule
        scanner.need("[,@]", "',' and another part, or the end")


def _schedule(scanner: _Scanner, schedule: Schedule, values: dict[str, Any]) -> Schedule:
    """Set the fields that were given. Raises ``InputError`` that points at the one that cannot be used."""
    for name, (value, place) in values.items():
        try:
            schedule = replace(schedule, **{name: value})
        except InputError as error:
            scanner.fail(str(error), place)
    return schedule


def _clause(scanner: _Scanner, schedule: dict[str, Any], options: dict[str, Any]) -> None:
    start = scanner.place
    name = scanner.need(r"[a-z][a-z-]*", "one of " + ", ".join(WINDOWS))
    if name not in WINDOWS:
        scanner.fail(registry.unknown("part", name, list(WINDOWS)), start)
    field = {"frames": "frames_s"}.get(name, name)
    if field in schedule or field.replace("-", "_") in options:
        scanner.fail(f"{name} is given twice", start)
    if name == "keep-norm":
        options["keep_norm"] = True
        return
    scanner.need(":", f"':' after {name}")
    place = scanner.place
    if name == "strength":
        options["strength"] = scanner.number()
    elif name == "at":
        options["at"] = scanner.need(r"[\w.]+", "a hook point")
    elif name == "until":
        watched = scanner.need(r"[A-Za-z][\w-]*", "a property")
        scanner.need(":", "':' and a value of the property")
        options["until"] = watched, _amount(scanner, watched)
    elif name in ("branch", "shape"):
        allowed = AT if name == "branch" else SHAPES
        schedule[field] = scanner.need("|".join(rf"{word}\b" for word in allowed), " or ".join(allowed)), place
    else:
        schedule[field] = _window(scanner, name), place


def _window(scanner: _Scanner, name: str) -> tuple[float, float] | tuple[int, int]:
    unsigned = NUMBER.removeprefix("[+-]?")
    if name == "steps":
        first = int(scanner.need(r"\d+", "the first step"))
        scanner.need("-", "'-' and the step to stop before")
        return first, int(scanner.need(r"\d+", "the step to stop before"))
    start = float(scanner.need(unsigned, "a number"))
    if name == "frames":
        scanner.take("s")
        scanner.need("-", "'-' and where it ends")
    elif not scanner.take("-"):
        return start, start
    stop = float(scanner.need(unsigned, "a number"))
    if name == "frames":
        scanner.take("s")
    return start, stop
