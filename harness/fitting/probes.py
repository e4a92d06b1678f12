"""Fitting probes on a data set: on the features of an SAE or on the vectors themselves, with every control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis import properties
from analysis.probes import (
    ClassScore,
    ControlledScore,
    DenseFeatures,
    Features,
    FitConfig,
    Probe,
    ProbeTask,
    SparseFeatures,
    ValueScore,
    fit_ridge,
    load_probe,
    save_probe,
    score_classes,
    score_values,
    score_with_controls,
    train_probe,
)
from analysis.properties.bins import Bins
from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from analysis.sae.train import Trainer
from analysis.source import Source
from harness.datasets.reader import Dataset
from harness.errors import InputError

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Frames:
    """The rows of a data set as probes see them: N frames, at one t or several."""

    source: Source
    vectors: Mapping[float, torch.Tensor]
    """t -> float32 ``[N, d_in]``, the same frames at every t."""
    rows: np.ndarray
    """``[N]``: a row of the data set for each frame, for its labels."""


@dataclass(frozen=True)
class FittedProbe:
    """One probe and its test scores."""

    probe: Probe
    path: Path
    by_time: Mapping[float, ClassScore]
    """t -> score of the probe."""
    controls: ControlledScore
    """The probe and all its controls at the largest t."""
    ridge: ValueScore
    """Ridge regression of the value itself on the same features, at the largest t."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "path": str(self.path),
            "property": self.probe.info.property,
            "by_time": [{"t": t, **score.to_json()} for t, score in self.by_time.items()],
            "controls": self.controls.to_json(),
            "ridge": self.ridge.to_json(),
        }


def frames_of(dataset: Dataset, every: int = 1) -> Frames:
    """Sort a data set's rows by t, and keep only some frames: neighbours resemble one another.

    Raises ``InputError`` when not all t have the same frames.
    """
    t = dataset.t
    chosen = {time: np.flatnonzero(np.isclose(t, time))[::every] for time in dataset.times}
    if len({len(rows) for rows in chosen.values()}) != 1:
        raise InputError(f"{dataset.path} does not have the same frames at every t; build it anew from whole traces")
    vectors = torch.from_numpy(dataset.rows()[:])
    by_time = {time: vectors[torch.from_numpy(rows)] for time, rows in chosen.items()}
    return Frames(dataset.source, by_time, chosen[dataset.times[-1]])


def noised(frames: Frames, times: Sequence[float], seed: int = 0) -> Frames:
    """Turn clean latents into states: ``x_t = (1 - t) * noise + t * latent`` at every t, with noise drawn anew."""
    if frames.source.hook_point != "latents":
        raise InputError(f"noise is added to clean latents; these vectors are {frames.source.hook_point}")
    (clean,) = frames.vectors.values()
    vectors = {}
    for index, t in enumerate(sorted(set(times))):
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1_000_003 * seed + index))
        vectors[t] = (1 - t) * noise + t * clean
    source = Source(frames.source.model_id, frames.source.weights_sha256, "x_t", frames.source.d_in)
    return Frames(source, vectors, frames.rows)


def fit_probes(
    dataset: Dataset,
    frames: Frames,
    names: Sequence[str],
    out: Path,
    *,
    sae: SAE | None = None,
    classes: Mapping[str, Bins] | None = None,
    config: FitConfig | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[FittedProbe]:
    """Fit, score with controls, and write one probe after the other.

    With an SAE its features are read, and beside them the raw vectors and a random dictionary of the same size are
    scored. ``classes`` gives properties the classes of other probes, which decoding several views together needs; else
    they are fitted on the training files. Raises ``SourceError`` for an SAE of another codec, model or width,
    ``InputError`` for a property without classes or labels and for a split without files, ``ValueError`` when one has
    no labelled frames.
    """
    if sae is not None:
        sae.require(frames.source)
    for split in ("train", "test"):
        dataset.rows(split)  # refuses an empty one by name
    tasks = [task_of(dataset, frames, name, (classes or {}).get(name)) for name in names]
    features = {t: encode(sae, vectors) for t, vectors in frames.vectors.items()}
    last = max(features)
    beside = {} if sae is None else _beside(dataset, sae, frames.vectors[last], seed)
    for index, task in enumerate(tasks):
        if progress is not None:
            progress(task.property, index, len(tasks))
        probe = train_probe(
            features, task, frames.source, encoder_sha256=None if sae is None else sae.sha256, config=config
        )
        test = task.rows("test")
        by_time = {
            t: score_classes(probe.probabilities(at.take(test), t), task.target[test], task.groups[test], seed=seed)
            for t, at in features.items()
        }
        controls = score_with_controls(probe, features[last], task, beside=beside, config=config, t=last, seed=seed)
        path = save_probe(probe, out)
        yield FittedProbe(probe, path, by_time, controls, _ridge(features[last], task, seed))


def task_of(dataset: Dataset, frames: Frames, name: str, bins: Bins | None = None) -> ProbeTask:
    """Targets of a property, with classes as given or fitted on the training files; or a label, one class a name.

    Raises ``InputError`` for a vector property and for a name that is neither.
    """
    if name in dataset.classes:
        return _class_task(dataset, frames, name)
    try:
        loaded = properties.load(name)
    except ValueError as error:
        raise InputError(str(error)) from error
    if loaded.dimensions is not None:
        raise InputError(f"{name} has {loaded.dimensions} values a frame; probes read properties of one, such as pitch")
    values, split = dataset.labels(name)[frames.rows], dataset.split[frames.rows]
    bins = bins or loaded.bins(values[split == "train"])
    return ProbeTask(name, loaded.unit, loaded.tolerance, bins, values, dataset.groups[frames.rows], split)


def _class_task(dataset: Dataset, frames: Frames, name: str) -> ProbeTask:
    """Give numbers to the classes of the training files; what none of them has cannot be learnt and is left out."""
    labels, split = dataset.class_of(name)[frames.rows], dataset.split[frames.rows]
    names = sorted(set(labels[split == "train"].tolist()) - {""})
    number = {label: float(index) for index, label in enumerate(names)}
    values = np.array([number.get(label, np.nan) for label in labels.tolist()])
    bins = Bins(tuple(np.arange(max(len(names), 1) + 1) - 0.5), open_ended=False)
    return ProbeTask(name, "class", 0.0, bins, values, dataset.groups[frames.rows], split)


def classes_of(folder: Path) -> dict[str, Bins]:
    """Read the classes of the classifiers in a folder of probes. Raises ``InputError`` when there are none."""
    probes = [load_probe(path) for path in sorted(folder.glob("*.json")) if path.with_suffix(".safetensors").is_file()]
    if not probes:
        raise InputError(
            f"{folder} holds no probes (NAME.json with NAME.safetensors); 'harness train-probes' writes them"
        )
    return {probe.info.property: probe.info.bins for probe in probes if probe.info.bins is not None}


@torch.inference_mode()
def encode(sae: SAE | None, vectors: torch.Tensor) -> Features:
    """Features of vectors ``[N, d_in]``: an SAE's codes, or without one the vectors themselves."""
    if sae is None:
        return DenseFeatures(vectors)
    code = sae.encode_sparse(vectors)
    return SparseFeatures(code.indices.clone(), code.values.float().clone(), sae.config.d_sae)


def random_dictionary(dataset: Dataset, like: SAE, seed: int = 0) -> SAE:
    """Random dictionary of the size and sparsity of ``like``, for these data; its features need no training."""
    k = like.config.k or max(round(_l0(like, dataset)), 1)
    config = SAEConfig("random", like.config.d_in, like.config.d_sae, k=k, seed=seed + 1)
    return Trainer(dataset.rows("train"), [config], TrainConfig(steps=1), dataset.source).run()[0]


def _beside(dataset: Dataset, sae: SAE, vectors: torch.Tensor, seed: int) -> dict[str, Features]:
    control = random_dictionary(dataset, sae, seed)
    return {"raw": encode(None, vectors), "random_dictionary": encode(control, vectors)}


@torch.inference_mode()
def _l0(sae: SAE, dataset: Dataset) -> float:
    sample = torch.from_numpy(dataset.rows("train")[:4096])
    return float((sae.encode_sparse(sample).values > 0).sum()) / len(sample)


def _ridge(features: Features, task: ProbeTask, seed: int) -> ValueScore:
    train, test = task.rows("train"), task.rows("test")
    linear = fit_ridge(features.take(train), task.values[train])
    predicted = linear(features.take(test))[:, 0].cpu().numpy()
    return score_values(predicted, task.values[test], task.groups[test], tolerance=task.tolerance, seed=seed)
