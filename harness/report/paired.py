"""The page of a paired steering experiment, and what its panels need."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis import properties
from analysis.properties.base import Property
from analysis.steering import JUDGED
from harness.files import whole
from harness.report import markup
from harness.report.context import EXCERPT_S
from harness.report.page import Report
from harness.report.players import common_gain
from harness.steering.document import finding
from harness.steering.result import ARMS, SteeringResult
from harness.store.reader import open_trace

FloatArray = NDArray[np.float32]

PANELS: dict[str, str] = {
    "paired": "harness.report.panels.paired:panel",
    "paired-sound": "harness.report.panels.paired_sound:panel",
    "dose": "harness.report.panels.dose:panel",
    "leakage": "harness.report.panels.leakage:panel",
}
"""Sections of the page in reading order, ``"module:function"``; each gets the ``PairedContext``."""


@dataclass(frozen=True)
class ArmTracks:
    """One property of all arms. Shape letters: A arms, T frames."""

    measured: Property
    time_s: FloatArray
    """``[T]``."""
    values: FloatArray
    """``[A, T]``, NaN where the property does not exist."""


@dataclass(frozen=True)
class PairedContext:
    """One experiment, as the panels see it. The arms are ``ARMS``, in that order."""

    result: SteeringResult
    sample_rate_hz: int
    clips: FloatArray
    """``[A, channels, N]``: the recorded seed's audio."""
    tracks: tuple[ArmTracks, ...]
    """One entry a property."""

    @property
    def gain(self) -> float:
        """Common gain of all players, so that none clips and loudness can be compared."""
        return common_gain(self.clips)


def gather_arms(result: SteeringResult) -> PairedContext:
    """Read and measure the audio of all arms, its beginning where it is very long."""
    clips = []
    for arm in ARMS:
        with open_trace(result.trace(arm)) as trace:
            rates = trace.sample_rate_hz, trace.frame_rate_hz
            audio = np.zeros((1, 1), np.float32) if trace.audio is None else trace.audio
            clips.append(np.nan_to_num(audio[:, : round(EXCERPT_S * rates[0])], posinf=0.0, neginf=0.0))
    together = np.stack(clips)
    tracks = []
    for name in JUDGED:
        measured = properties.load(name)
        values = measured.measure_batch(together, *rates).masked()
        time_s = ((np.arange(values.shape[1]) + 0.5) / rates[1]).astype(np.float32)
        tracks.append(ArmTracks(measured, time_s, values))
    return PairedContext(result, rates[0], together, tuple(tracks))


def build_paired_report(result: SteeringResult, out: Path) -> Report:
    """Write the page of an experiment to the file ``out``. Raises ``StorageError`` if it cannot be written."""
    gathered = gather_arms(result)
    built = [pkgutil.resolve_name(target)(gathered) for target in PANELS.values()]
    prompt = " ".join(result.request.prompt.split())
    title = f"{prompt[:80] or '(empty prompt)'} · steered"
    page = markup.render(title, [panel for panel in built if panel is not None], result.notes, "Steering report")
    with whole(out) as part:
        part.write_bytes(page.encode("utf-8", "replace"))
    return Report(out, finding(result))
