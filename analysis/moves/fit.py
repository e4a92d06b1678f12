"""Fitting ``Moves``: factors by alternating least squares, the gauge by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.moves.moves import Moves
from analysis.source import Source

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MovesConfig:
    """Settings of a fit."""

    factors: int = 16
    """R."""
    rounds: int = 12
    """Alternations between loadings and factors."""
    least_frames: int = 4
    """Frames of one class that a file needs for them to count."""
    least_cells: int = 50
    """Files that a class needs to be kept; the classes kept lie without a gap."""
    width: int = 128
    """Of the gauge's two hidden layers."""
    steps: int = 1500
    """Updates of the gauge."""
    batch_size: int = 2048
    """Frames in each."""
    seed: int = 0


@dataclass(frozen=True)
class Labelled:
    """Latents and what is known about them. N rows."""

    vectors: NDArray[np.float32]
    """``[N, C]``."""
    file: NDArray[np.int64]
    """``[N]``: rows of one file have the same sound source."""
    classed: FloatArray
    """``[N]`` values of the property with classes, NaN where there is none: such rows count for the gauge only."""
    gradual: FloatArray
    """``[N, G]`` values of the gradual properties."""


def fit_moves(
    data: Labelled, source: Source, classed: str, gradual: tuple[str, ...], config: MovesConfig | None = None
) -> Moves:
    """Fit on all rows of ``data``, which are a training split; classes are one unit of the property wide.

    Raises ``ValueError`` when fewer than two classes have enough files.
    """
    config = config or MovesConfig()
    measured = np.isfinite(data.gradual).all(1)
    known = np.isfinite(data.classed) & measured
    vectors = data.vectors[known]
    values = np.round(data.classed[known]).astype(np.int64)
    means, loadings, noise, first = _factors(vectors, data.file[known], values, config)
    offsets, units = data.gradual[known].mean(0), data.gradual[known].std(0)
    gauge = _gauge(data.vectors[measured], (data.gradual[measured] - offsets) / units, config)
    return Moves(
        source=source,
        classed=classed,
        first=float(first),
        width=1.0,
        means=torch.from_numpy(means).float(),
        loadings=torch.from_numpy(loadings).float(),
        noise=torch.from_numpy(noise).float(),
        gradual=gradual,
        units=torch.from_numpy(units).float(),
        offsets=torch.from_numpy(offsets).float(),
        spread=_spread(vectors, values),
        gauge=gauge,
    )


def fit_again(moves: Moves, data: Labelled, edited: Labelled, config: MovesConfig | None = None) -> Moves:
    """Fit the gauge again, on ``data`` and on latents that ``moves`` edited, labelled as decoded.

    An edit leads to latents unlike those of any file, which a gauge fitted on files alone reads wrongly. The edited
    rows are repeated until they are about a third of all.
    """
    config = config or MovesConfig()
    known = np.isfinite(data.gradual).all(1)
    made = np.isfinite(edited.gradual).all(1)
    repeats = max(1, int(known.sum()) // (2 * max(1, int(made.sum()))))
    vectors = np.concatenate([data.vectors[known], *[edited.vectors[made]] * repeats])
    targets = np.concatenate([data.gradual[known], *[edited.gradual[made]] * repeats])
    gauge = _gauge(vectors, (targets - moves.offsets.numpy()) / moves.units.numpy(), config)
    return replace(moves, gauge=gauge)


def _factors(
    vectors: NDArray[np.float32], file: NDArray[np.int64], values: NDArray[np.int64], config: MovesConfig
) -> tuple[FloatArray, FloatArray, FloatArray, int]:
    """Means, loadings, noise and first class, from the mean of every file's frames of every class (a cell)."""
    span = int(values.max()) + 1
    cells, inverse, frames = np.unique(file * span + values, return_inverse=True, return_counts=True)
    sums = np.zeros((len(cells), vectors.shape[1]))
    np.add.at(sums, inverse, vectors)
    enough = frames >= config.least_frames
    cell_means, cell_file, cell_value = (sums / frames[:, None])[enough], cells[enough] // span, cells[enough] % span
    first, stop = _longest_run(np.bincount(cell_value, minlength=span) >= config.least_cells)
    if stop - first < 2:
        raise ValueError(f"fewer than two neighbouring classes have {config.least_cells} files; add files")
    kept = (cell_value >= first) & (cell_value < stop)
    classes = cell_value[kept] - first
    _, owner = np.unique(cell_file[kept], return_inverse=True)
    z = cell_means[kept]
    means = np.stack([z[classes == k].mean(0) for k in range(stop - first)])
    loadings, noise = _alternate(z - means[classes], classes, owner, config)
    return means, loadings, noise, first


def _alternate(
    rest: FloatArray, classes: NDArray[np.int64], owner: NDArray[np.int64], config: MovesConfig
) -> tuple[FloatArray, FloatArray]:
    """Find loadings ``[K, C, R]`` and noise ``[C]`` of centred cells, whose factors belong to their owners."""
    count, files, factors = int(classes.max()) + 1, int(owner.max()) + 1, config.factors
    average = np.zeros((files, rest.shape[1]))
    np.add.at(average, owner, rest)
    average /= np.bincount(owner)[:, None]
    s = average @ np.linalg.svd(average, full_matrices=False)[2][:factors].T
    loadings, noise = np.zeros((count, rest.shape[1], factors)), np.ones(rest.shape[1])
    for _ in range(config.rounds):
        s /= s.std(0)
        for k in range(count):
            own = classes == k
            x = s[owner[own]]
            loadings[k] = np.linalg.solve(x.T @ x + np.eye(factors), x.T @ rest[own]).T
        noise = (rest - np.einsum("ncr,nr->nc", loadings[classes], s[owner])).var(0) + 1e-3
        scaled = loadings / noise[:, None]
        precision = np.zeros((files, factors, factors))
        np.add.at(precision, owner, np.einsum("kcr,kcq->krq", loadings, scaled)[classes])
        evidence = np.zeros((files, factors))
        np.add.at(evidence, owner, np.einsum("ncr,nc->nr", scaled[classes], rest))
        s = np.linalg.solve(precision + np.eye(factors), evidence[..., None])[..., 0]
    return loadings, noise


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and stop of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    start, stop = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    return int(start), int(stop)


def _gauge(vectors: NDArray[np.float32], targets: FloatArray, config: MovesConfig) -> tuple[tuple[Tensor, Tensor], ...]:
    """Train the network that reads the gradual properties, a little noise on its inputs."""
    random = torch.Generator().manual_seed(config.seed)
    sizes = (vectors.shape[1], config.width, config.width, targets.shape[1])
    layers: list[nn.Module] = []
    for d_in, d_out in pairwise(sizes):
        linear = nn.Linear(d_in, d_out)
        bound = d_in**-0.5
        for parameter in linear.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=random)
        layers += [linear, nn.SiLU()]
    network = nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=config.steps)
    inputs, wanted = torch.from_numpy(vectors), torch.from_numpy(targets).float()
    for _ in range(config.steps):
        rows = torch.randint(len(inputs), (config.batch_size,), generator=random)
        noisy = inputs[rows] + 0.1 * torch.randn(len(rows), inputs.shape[1], generator=random)
        loss = nn.functional.smooth_l1_loss(network(noisy), wanted[rows], beta=0.1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    return tuple((layer.weight.detach().T.contiguous(), layer.bias.detach()) for layer in linears)


def _spread(vectors: NDArray[np.float32], values: NDArray[np.int64]) -> Tensor:
    """Covariance ``[C, C]`` within classes."""
    number = np.bincount(values)[:, None]
    total = np.zeros((len(number), vectors.shape[1]))
    np.add.at(total, values, vectors)
    centred = vectors - (total / np.maximum(number, 1))[values]
    return torch.from_numpy(centred.T @ centred / len(centred)).float()
