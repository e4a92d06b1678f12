"""Mariotte et al. 2025 (arXiv 2509.24793): hidden layers of audio encoders, and topk SAEs of them at rising sparsity.

One vector a clip (the mean over its frames), per encoder and layer: how well a linear probe tells the classes from the
vector and from each SAE's code, and how well the acoustic attributes of the clip are held apart (disentanglement), with
a random dictionary as the control. All completeness scores of an encoder have one base, so that they compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.attributes import EGEMAPS
from analysis.disentanglement import measure as disentanglement
from analysis.disentanglement.importance import importance
from analysis.probes import FitConfig
from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from generators import encoders
from generators.encoders.base import AudioEncoder
from harness.datasets.audio import AudioFile, find_audio
from harness.datasets.build import build
from harness.datasets.encoders import encoder_sources
from harness.datasets.format import Classes
from harness.datasets.labels import FOLDERS, read_labels
from harness.datasets.reader import Dataset, open_dataset
from harness.errors import InputError
from harness.fitting.probes import frames_of
from harness.fitting.saes import grid, load_sae
from harness.fitting.table import figures, read_properties
from harness.pipeline import Progress
from harness.reproduce import attributes, estimate
from harness.reproduce.training import train_once
from harness.reproduce.workspace import Workspace, opened
from harness.words import counted

ENCODERS = (
    "MIT/ast-finetuned-audioset-10-10-0.4593",
    "facebook/hubert-base-ls960",
    "microsoft/wavlm-base",
    "m-a-p/MERT-v1-95M",
)
"""The paper's four kinds; which checkpoints of them it used is not known here."""
TECHNIQUES = frozenset(
    {"belt", "breathy", "inhaled", "lip_trill", "spoken", "straight", "trill", "trillo", "vibrato", "vocal_fry"}
)
"""VocalSet's ten classes of singing; its folders hold some more."""
TECHNIQUE = "technique"
RAW = "raw"
FEWEST_FILES = 2
"""Files of a class, for it to be on both sides of the split at all."""
FIT = FitConfig(l2=1e-3, max_iterations=200)
PROBE_S = 1e-3
"""Seconds that a file takes in one probe, on one core: for estimates."""


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    layers: int | None
    """How many layers, evenly from first to last; None for all."""
    d_sae: int
    sparsities: tuple[float, ...]
    """Share of features that are 0."""
    held_apart: float
    """The sparsity whose SAE, and random dictionary, disentanglement is measured on."""
    steps: int
    """Batches each SAE learns from."""
    files: int | None
    """Most files that are taken, evenly from all; None for all."""


FULL = Scale(None, 2048, (0.75, 0.80, 0.85, 0.90, 0.95, 0.99), 0.95, 2000, None)
SMALL = Scale(3, 256, (0.75, 0.90, 0.95, 0.99), 0.95, 150, 300)


@dataclass(frozen=True)
class Study:
    """What is studied, on what."""

    audio: tuple[Path, ...]
    encoders: tuple[str, ...] = ENCODERS
    labels: str = FOLDERS
    """CSV of class labels, or ``folders``."""
    label: str | None = None
    """Which of them is told apart; None for ``technique`` where there is one, else the first."""
    scale: Scale = FULL
    untrained: bool = False
    """The weights are random: the study is an end-to-end check, and its report says so."""
    device: str = "cpu"

    def settings(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON-ready values."""
        return {"study": "mariotte2025", **asdict(self), "audio": [str(path) for path in self.audio], "device": None}


@dataclass(frozen=True)
class Inputs:
    """The files that are used, and what they are."""

    files: Sequence[AudioFile]
    classes: Classes
    label: str
    left_out: Sequence[str]
    """Why some files are not used, in sentences."""


@dataclass(frozen=True)
class Results:
    """What came out."""

    study: Study
    inputs: Inputs
    rows: Sequence[Mapping[str, Any]]
    """One an encoder and layer."""


def inputs(study: Study) -> Inputs:
    """Find and label the files. Raises ``InputError`` for faulty labels, or fewer than two usable classes."""
    found = find_audio(study.audio)
    every = read_labels(study.labels, [file.path for file in found])
    label = study.label or (TECHNIQUE if TECHNIQUE in every else next(iter(every)))
    if label not in every:
        raise InputError(f"there is no class label {label!r}; there are {', '.join(every)}")
    of_file, notes = every[label], []
    if label == TECHNIQUE and study.labels == FOLDERS:
        others = [file for file in found if of_file[file.name] not in TECHNIQUES]
        if others:
            notes.append(f"Left out: {counted(len(others), 'file')} of none of VocalSet's ten techniques.")
        found = [file for file in found if of_file[file.name] in TECHNIQUES]
    counts = Counter(of_file[file.name] for file in found)
    rare = sorted(name for name, count in counts.items() if name and count < FEWEST_FILES)
    if rare:
        notes.append(f"Left out, because they have a single file: {', '.join(rare)}.")
    found = [file for file in found if of_file[file.name] and of_file[file.name] not in rare]
    if len({of_file[file.name] for file in found}) < 2:
        raise InputError(f"{label} has fewer than two classes with {FEWEST_FILES} files each; add files")
    if study.scale.files is not None and len(found) > study.scale.files:
        found = [found[index * len(found) // study.scale.files] for index in range(study.scale.files)]
    return Inputs(found, every, label, notes)


def layers_of(encoder: AudioEncoder, scale: Scale) -> list[int]:
    """Choose the layers, first and last included."""
    count = encoder.layer_count + 1
    chosen = np.linspace(0, count - 1, min(scale.layers or count, count)).round().astype(int)
    return [int(layer) for layer in np.unique(chosen)]


def configs(scale: Scale, d_in: int) -> dict[str, list[SAEConfig]]:
    """SAEs of one layer, by the folder of those that share batches."""
    ks = [active(scale, sparsity) for sparsity in scale.sparsities]
    topk = grid(d_in, 0, {"architecture": ["topk"], "d_sae": [scale.d_sae], "k": ks})
    random = replace(topk[0], architecture="random", k=active(scale, scale.held_apart), seed=1)
    return {"topk": topk, "random": [random]}


def active(scale: Scale, sparsity: float) -> int:
    """Active features of an SAE of this sparsity."""
    return max(round((1 - sparsity) * scale.d_sae), 1)


def measure(study: Study) -> estimate.Estimate:
    """Estimate size and time by doing a little of everything."""
    used, scale = inputs(study), study.scale
    audio_s = sum(estimate.length_s(file) for file in used.files)
    times = {"encoding": 0.0, "attributes": attributes.measuring_s(audio_s), "SAEs": 0.0, "probes": 0.0}
    times["disentanglement"], size = 0.0, 0
    for name in study.encoders:
        encoder = encoders.load(name)
        layers = layers_of(encoder, scale)
        segment_s = min(encoder.segment_frames / encoder.frame_rate_hz, 10.0)
        noise = 0.1 * torch.randn(1, int(segment_s * encoder.sample_rate_hz))
        per_segment_s = estimate.timed(partial(encoder.encode, noise, encoder.sample_rate_hz, layers))
        times["encoding"] += estimate.WORKERS_S + per_segment_s / segment_s * audio_s
        plan = TrainConfig(scale.steps, min(4096, len(used.files)))
        groups = configs(scale, encoder.width)
        times["SAEs"] += len(layers) * sum(estimate.training_s(group, plan, study.device) for group in groups.values())
        times["probes"] += len(layers) * (len(scale.sparsities) + 2) * PROBE_S * len(used.files)
        times["disentanglement"] += len(layers) * _disentangling_s(len(used.files), encoder.width, scale)
        size += len(layers) * estimate.dataset_bytes(len(used.files), encoder.width)
        size += len(layers) * sum(estimate.sae_bytes(group) for group in groups.values())
    return estimate.Estimate(audio_s, size, times)


def reproduce(study: Study, out: Path, *, workers: int = 1, progress: Progress | None = None) -> Results:
    """Do everything that is not done yet in ``out``.

    Raises
    ------
    InputError
        For audio or labels that cannot be used, or a folder that holds a study with other settings.
    CheckpointError
        For an encoder that cannot be loaded.
    ExistsError, StorageError
        For a folder that is taken or cannot be written.
    """
    used, rows = inputs(study), []
    with opened(out, study.settings()) as workspace:
        for index, name in enumerate(study.encoders):
            home = out / f"encoder-{index}"
            for path in _layers(study, used, name, home, workers, progress):
                with open_dataset(path) as dataset:
                    stage = f"{home.name}/{path.stem}"
                    kind = {"encoder": name, "hook_point": dataset.source.hook_point}
                    if progress is not None and not workspace.has(stage):
                        progress(stage, index, len(study.encoders))
                    make = partial(_row, study, used, workspace, dataset, path.with_suffix(""), progress)
                    rows.append({**kind, **workspace.once(stage, make)})
    return Results(study, used, rows)


def _layers(
    study: Study, used: Inputs, name: str, home: Path, workers: int, progress: Progress | None
) -> Sequence[Path]:
    """Build the data sets of an encoder's layers, unless they are there; return them in order."""
    home.mkdir(exist_ok=True)
    encoder = encoders.load(name)
    paths = [file.path for file in used.files]
    planned = encoder_sources(paths, name, layers_of(encoder, study.scale), attributes.needed_properties(), pool="mean")
    outputs = [output.path for output in planned.plan.outputs(home / "layer.h5")]
    if not all(path.is_file() for path in outputs):
        for path in outputs:
            path.unlink(missing_ok=True)  # stopped while the files were written; what they are made of is still there
        build(*planned, home / "layer.h5", workers=workers, progress=progress, classes=used.classes)
    return outputs


def _row(
    study: Study, used: Inputs, workspace: Workspace, dataset: Dataset, home: Path, progress: Progress | None
) -> dict[str, Any]:
    """All figures of one layer. What needs no training comes first: it tells whether there are files enough."""
    scale, plan = study.scale, TrainConfig(study.scale.steps)
    values, names = attributes.factors(workspace, dataset, progress)
    vectors, split = dataset.rows()[:], np.array([file.split for file in dataset.files])
    score = partial(disentanglement, factors=values, names=names, split=split, base=max(scale.d_sae, vectors.shape[1]))
    scores, table = {RAW: score(vectors)}, [_reading(None, dataset, used.label)]
    for name, group in configs(scale, dataset.source.d_in).items():
        train_once(dataset, group, home / name, plan, study.device)
    saes = dict(zip(scale.sparsities, map(load_sae, _by_k(home / "topk", scale)), strict=True))
    control = load_sae(home / "random")
    for sparsity, sae in (*saes.items(), (scale.held_apart, control)):
        table.append(_reading(sae, dataset, used.label) | {"sparsity": sparsity})
    scores["sae"], scores["random"] = (score(_code(sae, vectors)) for sae in (saes[scale.held_apart], control))
    return {"readings": table, "disentanglement": {name: one.to_json() for name, one in scores.items()}}


def _by_k(folder: Path, scale: Scale) -> list[Path]:
    """Folders of the topk SAEs, in the order of the sparsities."""
    if len(scale.sparsities) == 1:
        return [folder]
    found = {load_sae(path.parent).config.k: path.parent for path in folder.glob("*/cfg.json")}
    return [found[active(scale, sparsity)] for sparsity in scale.sparsities]


def _reading(sae: SAE | None, dataset: Dataset, label: str) -> dict[str, Any]:
    (reading,) = read_properties(sae, dataset, frames_of(dataset), [label], FIT).values()
    about: dict[str, Any] = {"architecture": RAW, "sparsity": 0.0, "fvu": 0.0}
    if sae is not None:
        about = figures(sae, dataset)
    balanced = reading.score.balanced_accuracy.to_json()
    return {**about, "accuracy": reading.to_json(), "balanced_accuracy": balanced, "test_files": reading.score.groups}


@torch.inference_mode()
def _code(sae: SAE, vectors: np.ndarray) -> np.ndarray:
    return sae.encode(torch.from_numpy(vectors)).numpy()


def _disentangling_s(files: int, width: int, scale: Scale) -> float:
    """Seconds for one layer: one regression on noise, times the factors and the three representations."""
    rng, rows = np.random.default_rng(0), max(min(files, 500), 40)
    noise, test = rng.standard_normal((rows, max(width, scale.d_sae))), np.arange(rows) % 10 == 0
    factor = noise[:, 0] + noise[:, 1] + rng.standard_normal(rows)
    once: float = estimate.timed(lambda: importance(noise, factor, ~test, test))
    return once * files / rows * 3 * len(EGEMAPS)
