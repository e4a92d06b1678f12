"""Fitting what changes one property of a codec's latents and holds the others, on a labelled data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import properties
from analysis.moves.fit import Labelled, MovesConfig, fit_again, fit_moves
from analysis.moves.moves import Moves
from generators.codecs.base import Codec
from harness.datasets.reader import Dataset
from harness.errors import InputError

CLASSED, GRADUAL = "pitch", ("loudness", "timbre")
SILENT_DB, FAINT_DB = -80.0, -55.0
"""Frames below the first are left out; those below the second teach the gauge, but hold no sound source to learn."""


@dataclass(frozen=True)
class EditPlan:
    """The edited latents on which the gauge is fitted a second time."""

    stretches: int = 428
    """How many; each costs a decoding."""
    frames: int = 40
    """Length of each."""
    most: tuple[float, float] = (9.0, 0.7)
    """Largest change of each gradual property, in its unit."""
    most_classes: int = 5
    """Largest change of the class."""
    seed: int = 0


def moves_of(dataset: Dataset, codec: Codec, config: MovesConfig | None = None, plan: EditPlan | None = None) -> Moves:
    """Fit on the training files, then on edits of them too. Raises ``InputError`` for too few properties or notes."""
    labels = {name: dataset.labels(name).astype(np.float64) for name in (CLASSED, *GRADUAL)}
    rows = (dataset.split == "train") & (labels["loudness"] > SILENT_DB)
    file = np.repeat(np.arange(len(dataset.files)), [record.rows for record in dataset.files])
    gradual = np.stack([labels[name][rows] for name in GRADUAL], axis=1)
    classed = np.where(labels["loudness"] > FAINT_DB, labels[CLASSED], np.nan)[rows]
    data = Labelled(dataset.rows()[:][rows], file[rows], classed, gradual)
    try:
        moves = fit_moves(data, dataset.source, CLASSED, GRADUAL, config)
    except ValueError as error:
        raise InputError(f"{dataset.path}: {error}") from error
    return fit_again(moves, data, edited(moves, data, codec, plan or EditPlan()), config)


def edited(moves: Moves, data: Labelled, codec: Codec, plan: EditPlan) -> Labelled:
    """Edit stretches of ``data`` at random, decode them, and label every frame by what is heard."""
    rng = np.random.default_rng(plan.seed)
    vectors, gradual = [], []
    for start in rng.integers(0, max(1, len(data.vectors) - plan.frames), plan.stretches):
        stretch = slice(start, start + plan.frames)
        z = _edit(moves, data, stretch, plan, rng)
        vectors.append(z.numpy())
        gradual.append(_measured(z, codec))
    measured = np.concatenate(gradual)
    measured[measured[:, GRADUAL.index("loudness")] < SILENT_DB] = np.nan
    count = len(measured)
    return Labelled(np.concatenate(vectors), np.zeros(count, np.int64), np.full(count, np.nan), measured)


def _edit(moves: Moves, data: Labelled, stretch: slice, plan: EditPlan, rng: np.random.Generator) -> torch.Tensor:
    """Change each property of a stretch, or leave it, with even odds."""
    z = torch.from_numpy(data.vectors[stretch])
    by = rng.integers(-plan.most_classes, plan.most_classes + 1) * rng.integers(2)
    classes = np.round((data.classed[stretch] - moves.first) / moves.width)
    inside = (classes >= 0) & (classes < moves.count)
    now = torch.from_numpy(np.where(inside, classes, 0).astype(np.int64))
    to_class = moves.to_class(z, now, (now + int(by)).clamp(0, moves.count - 1))
    moved = torch.where(torch.from_numpy(inside)[:, None], to_class, z)
    change = rng.uniform(-1, 1, 2) * plan.most * rng.integers(0, 2, 2)
    return moves.to_values(moved, moves.read(z) + torch.from_numpy(change).float())


def _measured(z: torch.Tensor, codec: Codec) -> NDArray[np.float64]:
    """Decode latents ``[T, C]`` and measure the gradual properties, ``[T, G]``, NaN where there are none."""
    with torch.inference_mode():
        audio = codec.decode(z[None])[0].numpy()
    tracks = [
        properties.load(name).measure(audio, codec.sample_rate_hz, float(codec.frame_rate_hz)) for name in GRADUAL
    ]
    return np.stack([track.masked() for track in tracks], axis=1).astype(np.float64)
