"""One finished unit of a build on disk, in the folder ``.NAME.parts`` beside the data set that is being built.

A shard is a safetensors file that appears whole or not at all, so a build that was stopped anywhere goes on from what
is there. ``plan.json`` says what the shards were made for; another plan is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from harness.datasets.format import FileRecord, Part, Plan, dumps
from harness.errors import InputError
from harness.files import whole, write_json

PLAN = "plan.json"


class Shards:
    """The folder of shards of one build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, out: Path) -> Shards:
        """Shards of the data set ``out``."""
        return cls(out.with_name(f".{out.name}.parts"))

    def begin(self, plan: Plan, *, anew: bool = False) -> None:
        """Start in the folder, or continue what the same plan left there; ``anew`` drops what is there.

        Raises ``InputError`` that names the difference when an unfinished build had another plan.
        """
        path, wanted = self.folder / PLAN, json.loads(dumps(plan.to_json()))
        if anew:
            for shard in self.folder.glob("*.safetensors"):
                shard.unlink()
        elif path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            for name, value in wanted.items():
                if found.get(name) != value:
                    raise InputError(
                        f"the unfinished build in {self.folder} has {name} {found.get(name)}, this one has {value}; "
                        "repeat the earlier command to finish it, or give --force to start over"
                    )
        write_json(path, wanted)

    def path(self, name: str) -> Path:
        """Path of the shard of the unit called ``name``."""
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"

    def has(self, name: str, version: str) -> bool:
        """Say whether the shard of a unit, as it is now, is there."""
        try:
            return bool(_header(self.path(name))["version"] == version)
        except (OSError, SafetensorError, KeyError):
            return False

    def write(self, name: str, version: str, parts: Sequence[Part]) -> None:
        """Write a unit's shard. ``version`` changes when the unit's input does."""
        tensors = {}
        for index, part in enumerate(parts):
            labels = {f"labels.{key}": values for key, values in part.labels.items()}
            for key, array in {"vectors": part.vectors, "t": part.t, **labels}.items():
                tensors[f"{index}.{key}"] = np.ascontiguousarray(array, dtype=np.float32)
        header = {"version": version, "files": dumps([asdict(part.file) for part in parts])}
        with whole(self.path(name)) as partial:
            save_file(tensors, partial, metadata=header)

    def files(self, name: str) -> list[FileRecord]:
        """Read which inputs a unit's shard holds."""
        return [FileRecord.from_json(values) for values in json.loads(_header(self.path(name))["files"])]

    def arrays(self, name: str, index: int) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (``vectors``, ``t`` or ``labels.PROPERTY``, array) of one input of a unit."""
        with safe_open(self.path(name), framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                owner, _, what = key.partition(".")
                if owner == str(index):
                    yield what, file.get_tensor(key)

    def any(self) -> bool:
        """Say whether a shard of any unit is there."""
        return any(self.folder.glob("*.safetensors"))

    def bytes(self, names: Sequence[str]) -> int:
        """Size of the shards of these units."""
        return sum(self.path(name).stat().st_size for name in names)

    def remove(self) -> None:
        """Delete the folder, if it is one of ours."""
        if (self.folder / PLAN).is_file():
            shutil.rmtree(self.folder)


def _header(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})
