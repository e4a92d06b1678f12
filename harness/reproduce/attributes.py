"""Acoustic attributes of whole files: the factors that a representation may hold apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.attributes import EGEMAPS, egemaps, has_egemaps
from harness.datasets.audio import AudioFile
from harness.datasets.reader import Dataset
from harness.pipeline import Progress
from harness.reproduce.workspace import Workspace

OWN = ("pitch", "loudness", "timbre", "spectral_shape")
"""Properties whose means over a file stand in where openSMILE is not installed."""
STRETCH_S = 30.0
"""Longest stretch measured at once; longer files are the mean of theirs."""


def needed_properties() -> tuple[str, ...]:
    """Properties a pooled data set has to have, so that there are factors."""
    return () if has_egemaps() else OWN


def factors(
    workspace: Workspace, dataset: Dataset, progress: Progress | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the factors ``[files, K]`` of a pooled data set, in its order, and their names."""
    if not has_egemaps():
        labels = [dataset.labels(name).reshape(len(dataset.files), -1) for name in OWN]
        names = [part for name in OWN for part in (dataset.properties[name]["components"] or [name])]
        return np.concatenate(labels, axis=1), tuple(names)
    files = [file.name for file in dataset.files]
    measured = workspace.once("attributes", lambda: _measure(files, progress))
    missing = [name for name in files if name not in measured]  # another encoder may take other files
    if missing:
        workspace.keep("attributes", measured | _measure(missing, progress))
        measured = workspace.read("attributes")
    rows = [[np.nan if (value := measured[name][key]) is None else value for key in EGEMAPS] for name in files]
    return np.array(rows, np.float64), tuple(EGEMAPS)


def _measure(files: Sequence[str], progress: Progress | None) -> dict[str, Mapping[str, float | None]]:
    found: dict[str, Mapping[str, float | None]] = {}
    for index, name in enumerate(files):
        if progress is not None:
            progress("attributes", index, len(files))
        found[name] = _of_file(Path(name))
    return found


def _of_file(path: Path) -> dict[str, float | None]:
    stretches = []
    for clip in AudioFile(path).clips(STRETCH_S):
        stretches += [egemaps(audio, clip.sample_rate_hz) for audio in clip.segments]
    found: dict[str, float | None] = {}
    for name in EGEMAPS:
        values = [stretch[name] for stretch in stretches if np.isfinite(stretch[name])]
        found[name] = float(np.mean(values)) if values else None
    return found
