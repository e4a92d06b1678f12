"""What a study will take, before it starts: how much audio, how large on disk, roughly how long.

Times hold for the machine as it is in that moment: beside other work a study takes longer.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
import torch

from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from analysis.sae.train import Trainer
from harness.datasets.audio import AudioFile
from harness.errors import StorageError

LABEL_BYTES = 4 * 4
"""Of a data set's row beside its vector: t and three properties."""
ENOUGH_S = 0.2
"""How long a piece of work is repeated, at least, to time it."""
WORKERS_S = 7.0
"""Until the processes that encode have imported what they need."""
WEIGHT_COPIES = 3
"""Weights, and the two moments of the optimiser in a checkpoint."""


@dataclass(frozen=True)
class Estimate:
    """Rough figures; the times were measured on this machine just now, on a small piece of each stage."""

    audio_s: float
    """Seconds of audio that go in."""
    size_bytes: int
    """Most that is on disk at a time."""
    seconds: Mapping[str, float]
    """Stage -> time."""

    @property
    def total_s(self) -> float:
        """Time of all stages."""
        return sum(self.seconds.values())

    def sentence(self) -> str:
        """Say it in one line, and how far it can be relied on."""
        parts = ", ".join(f"{name} {duration(value)}" for name, value in self.seconds.items())
        audio, size = duration(self.audio_s), self.size_bytes / 1e6
        times = f"about {duration(self.total_s)} ({parts}) if the machine stays as busy as it is now"
        return f"{audio} of audio, about {size:.0f} MB on disk, {times}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "audio_s": self.audio_s,
            "size_bytes": self.size_bytes,
            "seconds": dict(self.seconds),
            "total_s": self.total_s,
        }

    def check_space(self, out: Path) -> None:
        """Raise ``StorageError`` when the disk of ``out`` has not that much room."""
        place = next(parent for parent in (out, *out.absolute().parents) if parent.exists())
        free = shutil.disk_usage(place).free
        if self.size_bytes > free:
            raise StorageError(
                f"{out} would take about {self.size_bytes / 1e6:.0f} MB but {free / 1e6:.0f} MB are free; "
                "give another --out, or less audio"
            )


def duration(seconds: float) -> str:
    """Write a time for people, such as ``2.5 min``."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.{0 if seconds >= 10 * length else 1}f} {unit}"
    return f"{seconds:.0f} s"


def length_s(file: AudioFile) -> float:
    """Length of an audio file by its header; 0 for one that cannot be read, which a build leaves out."""
    try:
        return float(soundfile.info(str(file.path)).duration)
    except (soundfile.LibsndfileError, ZeroDivisionError):
        return 0.0


def take(files: Sequence[AudioFile], limit_s: float | None) -> list[AudioFile]:
    """Choose files evenly from the list, so that they come to about ``limit_s``; all of them for None."""
    total = sum(length_s(file) for file in files)
    if limit_s is None or total <= limit_s:
        return list(files)
    count = max(round(len(files) * limit_s / total), 1)
    return [files[index * len(files) // count] for index in range(count)]


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes: the mean over ``ENOUGH_S``, after a first time that does not count."""
    work()
    started, count, passed_s = time.perf_counter(), 0, 0.0
    while passed_s < ENOUGH_S:
        work()
        count, passed_s = count + 1, time.perf_counter() - started
    return passed_s / count


def training_s(configs: Sequence[SAEConfig], plan: TrainConfig, device: str) -> float:
    """Time of training these SAEs, from a few steps each on random numbers."""
    rows = torch.randn(plan.batch_size, configs[0].d_in, generator=torch.Generator().manual_seed(0)).numpy()
    trainer = Trainer(rows, configs, plan, device=device)
    return timed(trainer.step) * plan.steps


def sae_bytes(configs: Sequence[SAEConfig]) -> int:
    """Bytes of these SAEs while they are trained."""
    return sum(WEIGHT_COPIES * 4 * (2 * config.d_in + 1) * config.d_sae for config in configs)


def dataset_bytes(rows: float, d_in: int) -> int:
    """Bytes of a data set while it is put together from its shards, which then are there twice."""
    return int(2 * rows * (4 * d_in + LABEL_BYTES))
