"""The folder of a study: finished stages are read, not repeated, and other settings are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ExistsError, InputError, StorageError
from harness.files import check_output, write_json
from harness.runs import locked

SETTINGS, STAGES = "settings.json", "stages"


@dataclass(frozen=True)
class Workspace:
    """An opened folder."""

    home: Path

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the JSON document of a stage: as an earlier run left it, else what ``make`` gives."""
        if not self.has(name):
            self.keep(name, make())
        return self.read(name)

    def has(self, name: str) -> bool:
        """Say whether a stage is done."""
        return self._path(name).is_file()

    def keep(self, name: str, document: Any) -> None:
        """Write the document of a stage, which is done with it."""
        self._path(name).parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path(name), document)

    def read(self, name: str) -> Any:
        """Read the document of a finished stage."""
        return json.loads(self._path(name).read_text(encoding="utf-8"))

    def _path(self, name: str) -> Path:
        return self.home / STAGES / f"{name}.json"


def check_folder(out: Path) -> None:
    """Refuse a folder that cannot hold a study. Raises ``ExistsError`` and ``StorageError`` as ``opened`` does."""
    if out.is_dir() and any(out.iterdir()) and not (out / SETTINGS).is_file():
        raise ExistsError(f"{out} is not empty and holds no study; give another folder")
    check_output(out, force=True)


@contextmanager
def opened(out: Path, settings: Mapping[str, Any]) -> Iterator[Workspace]:
    """Start a study in ``out``, or continue the one that is there, with other processes kept out meanwhile.

    A study whose inputs turn out to be of no use before anything is done leaves no folder.

    Raises
    ------
    ExistsError
        When something else is in ``out``.
    InputError
        When the study in ``out`` was begun with other settings; it names the first that differs.
    StorageError
        When it cannot be written, or another process works in it.
    """
    wanted, path = json.loads(json.dumps(settings)), out / SETTINGS
    check_folder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error.strerror}") from error
    with locked(out):
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            for name in sorted(wanted.keys() | found.keys()):
                if found.get(name) != wanted.get(name):
                    raise InputError(
                        f"the study in {out} was begun with {name} {found.get(name)}, this command has "
                        f"{wanted.get(name)}; repeat the earlier command to continue it, or give another --out"
                    )
        else:
            write_json(path, wanted)
        try:
            yield Workspace(out)
        except InputError:
            if all(file == path for file in out.rglob("*") if file.is_file()):
                shutil.rmtree(out)
            raise
