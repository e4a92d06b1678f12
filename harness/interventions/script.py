"""Interventions made by a user's own file."""

from __future__ import annotations

import importlib.util
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generators.base import Generator
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.interventions.base import Intervention

FUNCTION = "interventions"
IMPORT_LIMIT_S = 30.0


def read_script(
    path: Path, generator: Generator, artifacts: Artifacts | None, *, limit_s: float = IMPORT_LIMIT_S
) -> list[Intervention]:
    """Run a Python file and return what its ``interventions(generator, sae, probes)`` returns.

    ``sae`` and ``probes`` (property -> probe) are those of ``artifacts``, or None and empty.

    Raises
    ------
    InputError
        If the file is missing, cannot be run, takes longer than ``limit_s`` to run, defines no such function, or the
        function raises or returns anything but a list of interventions. What the file raised is named with its line.
    """
    if not path.is_file():
        raise InputError(
            f"there is no script {path}; give a Python file that defines {FUNCTION}(generator, sae, probes)"
        )
    function = getattr(_run(path, limit_s), FUNCTION, None)
    if not callable(function):
        raise InputError(f"{path} defines no function {FUNCTION}(generator, sae, probes)")
    sae, probes = (artifacts.sae, dict(artifacts.probes)) if artifacts else (None, {})
    made = _guarded(path, lambda: function(generator, sae, probes))
    if not isinstance(made, list | tuple) or not all(isinstance(item, Intervention) for item in made):
        odd = [type(item).__name__ for item in made if not isinstance(item, Intervention)] if _listed(made) else []
        given = f"a list with {', '.join(odd)} in it" if odd else type(made).__name__
        raise InputError(f"{FUNCTION}() in {path} returned {given}; return a list of interventions")
    return list(made)


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _run(path: Path, limit_s: float) -> Any:
    """Import the file as a module of its own name, on a thread that is given up after ``limit_s``."""
    name = f"harness_script_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"{path} is not a Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses in the script look their module up
    loader, failed = specification.loader, []

    def run() -> None:
        try:
            loader.exec_module(module)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise InputError(
            f"{path} takes more than {limit_s:g} s to import; do the slow work inside {FUNCTION}(), not when it is read"
        )
    if failed:
        raise _fault(path, failed[0])
    return module


def _guarded(path: Path, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        raise
    except Exception as error:
        raise _fault(path, error) from error


def _fault(path: Path, error: BaseException) -> InputError:
    """Name the last line of the script that an error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f"{path}, line {line}" if line else str(path)
    return InputError(f"{place}: {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}")
