"""Acoustic attributes of whole files: the factors that a representation may hold apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from analysis import properties
from analysis.attributes import EGEMAPS, egemaps, has_egemaps
from harness.datasets.audio import AudioFile
from harness.datasets.reader import Dataset
from harness.pipeline import Progress
from harness.reproduce.estimate import timed
from harness.reproduce.workspace import Workspace

OWN = ("pitch", "loudness", "timbre", "spectral_shape")
"""Properties whose means over a file stand in where openSMILE is not installed."""
STRETCH_S = 30.0
"""Longest stretch measured at once; longer files are the mean of theirs."""
CHUNK, STAGE = 50, "attributes"
"""Files measured at a time, which is what is lost when a study is interrupted, and the stage that they are kept as."""
_TRIED_S, _TRIED_HZ, _TRIED_FRAME_HZ = 5.0, 44100, 50


def needed_properties() -> tuple[str, ...]:
    """Properties a pooled data set has to have, so that there are factors."""
    return () if has_egemaps() else OWN


def measuring_s(audio_s: float) -> float:
    """Estimate the seconds of measuring this much audio, on a little noise."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, int(_TRIED_S * _TRIED_HZ)), np.float32)
    works: list[Callable[[], object]] = [partial(egemaps, noise, _TRIED_HZ)] if has_egemaps() else []
    works += [partial(properties.load(name).measure, noise, _TRIED_HZ, _TRIED_FRAME_HZ) for name in needed_properties()]
    return sum(map(timed, works)) / _TRIED_S * audio_s


def factors(
    workspace: Workspace, dataset: Dataset, progress: Progress | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the factors ``[files, K]`` of a pooled data set, in its order, and their names."""
    if not has_egemaps():
        labels = [dataset.labels(name).reshape(len(dataset.files), -1) for name in OWN]
        names = [part for name in OWN for part in (dataset.properties[name]["components"] or [name])]
        return np.concatenate(labels, axis=1), tuple(names)
    files = [file.name for file in dataset.files]
    measured = workspace.read(STAGE) if workspace.has(STAGE) else {}
    missing = [name for name in files if name not in measured]  # all, or those of an interrupted study, or a few
    for start in range(0, len(missing), CHUNK):
        if progress is not None:
            progress(STAGE, start, len(missing))
        measured |= {name: _of_file(Path(name)) for name in missing[start : start + CHUNK]}
        workspace.keep(STAGE, measured)
    rows = [[np.nan if (value := measured[name][key]) is None else value for key in EGEMAPS] for name in files]
    return np.array(rows, np.float64), tuple(EGEMAPS)


def _of_file(path: Path) -> Mapping[str, float | None]:
    stretches = []
    for clip in AudioFile(path).clips(STRETCH_S):
        stretches += [egemaps(audio, clip.sample_rate_hz) for audio in clip.segments]
    found: dict[str, float | None] = {}
    for name in EGEMAPS:
        values = [stretch[name] for stretch in stretches if np.isfinite(stretch[name])]
        found[name] = float(np.mean(values)) if values else None
    return found
