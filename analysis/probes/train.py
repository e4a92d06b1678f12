"""Fitting probes on a split by file: classifiers and regressions, on clean latents or at several t."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import torch

from analysis.probes.calibration import fit_temperature
from analysis.probes.features import Features
from analysis.probes.linear import FitConfig, Linear, class_counts, fit_ridge, fit_softmax
from analysis.probes.probe import Probe, ProbeInfo
from analysis.probes.task import ProbeTask
from analysis.source import Source


def train_probe(
    features: Features | Mapping[float, Features],
    task: ProbeTask,
    source: Source,
    *,
    encoder_sha256: str | None = None,
    config: FitConfig | None = None,
) -> Probe:
    """Fit a classifier on the training files and calibrate it on the validation files.

    Parameters
    ----------
    features
        Features of the task's N frames on clean latents; or a noise-aware set ``{t: features at that t}`` of the same
        frames, each of which gets weights of its own (see docs/methods.md for why).
    task
        Targets and split. Without labelled validation frames the temperature stays 1.
    source, encoder_sha256
        What the features were computed from and through which SAE; stored, and checked on use.
    """
    config = config or FitConfig()
    by_time = _by_time(features, task)
    train = task.rows("train")
    counts = class_counts(task.target[train], task.bins.count, len(train))
    fitted, temperatures = [], []
    for matrix in by_time.values():
        linear = fit_softmax(matrix.take(train), task.target[train], task.bins.count, config)
        temperature = _temperature(linear, matrix, task)
        fitted.append(Linear(linear.weights / temperature, linear.bias / temperature))
        temperatures.append(temperature)
    training = {
        "kind": "softmax",
        "fit": asdict(config),
        "train_frames": len(train),
        "class_counts": counts.tolist(),
        "temperatures": temperatures,
    }
    return _assemble(fitted, task, source, encoder_sha256, tuple(by_time), training, classifier=True)


def train_regression(
    features: Features | Mapping[float, Features],
    task: ProbeTask,
    source: Source,
    *,
    encoder_sha256: str | None = None,
    l2: float = 1e-4,
) -> Probe:
    """Fit a ridge regression of the property's value on the training files; arguments as ``train_probe``."""
    by_time = _by_time(features, task)
    train = task.rows("train")
    fitted = [fit_ridge(matrix.take(train), task.values[train], l2) for matrix in by_time.values()]
    training = {"kind": "ridge", "fit": {"l2": l2}, "train_frames": len(train)}
    return _assemble(fitted, task, source, encoder_sha256, tuple(by_time), training, classifier=False)


def _by_time(features: Features | Mapping[float, Features], task: ProbeTask) -> dict[float, Features]:
    by_time = {1.0: features} if isinstance(features, Features) else dict(sorted(features.items()))
    for t, matrix in by_time.items():
        if matrix.frames != len(task.values):
            raise ValueError(f"features at t = {t} have {matrix.frames} frames but the task has {len(task.values)}")
    return by_time


def _temperature(linear: Linear, features: Features, task: ProbeTask) -> float:
    if not task.has("validation"):
        return 1.0
    held_out = task.rows("validation")
    return fit_temperature(linear(features.take(held_out)).cpu().numpy(), task.target[held_out])


def _assemble(
    fitted: list[Linear],
    task: ProbeTask,
    source: Source,
    encoder_sha256: str | None,
    times: tuple[float, ...],
    training: dict[str, object],
    *,
    classifier: bool,
) -> Probe:
    info = ProbeInfo(
        property=task.property,
        unit=task.unit,
        tolerance=task.tolerance,
        bins=task.bins if classifier else None,
        source=source,
        encoder_sha256=encoder_sha256,
        times=times,
        training=training,
    )
    weights = torch.stack([linear.weights.cpu() for linear in fitted])
    return Probe(info, weights, torch.stack([linear.bias.cpu() for linear in fitted]))
