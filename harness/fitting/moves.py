"""Fitting what changes one property of a codec's latents and holds the others, on a labelled data set."""

from __future__ import annotations

import numpy as np

from analysis.moves.fit import Labelled, MovesConfig, fit_moves
from analysis.moves.moves import Moves
from harness.datasets.reader import Dataset
from harness.errors import InputError

CLASSED, GRADUAL = "pitch", ("loudness", "timbre")
SILENT_DB = -55.0
"""Quieter frames are left out: they hold no source to learn from."""


def moves_of(dataset: Dataset, config: MovesConfig | None = None) -> Moves:
    """Fit on the training files. Raises ``InputError`` when the data set lacks a property or has too few notes."""
    labels = {name: dataset.labels(name).astype(np.float64) for name in (CLASSED, *GRADUAL)}
    rows = (dataset.split == "train") & (labels["loudness"] > SILENT_DB)
    file = np.repeat(np.arange(len(dataset.files)), [record.rows for record in dataset.files])
    gradual = np.stack([labels[name][rows] for name in GRADUAL], axis=1)
    data = Labelled(dataset.rows()[:][rows], file[rows], labels[CLASSED][rows], gradual)
    try:
        return fit_moves(data, dataset.source, CLASSED, GRADUAL, config)
    except ValueError as error:
        raise InputError(f"{dataset.path}: {error}") from error
