"""Linear probes: what a frame's features say about pitch, loudness and timbre, with the controls that keep it honest.

The usual way: build a ``ProbeTask`` from measured values, ``train_probe`` on ``SparseFeatures`` or ``DenseFeatures``,
``score_with_controls``, ``save_probe``.
"""

from analysis.probes.controls import ControlledScore, f_ratios, score_with_controls
from analysis.probes.features import DenseFeatures, Features, SparseFeatures
from analysis.probes.linear import FitConfig, Linear, fit_ridge, fit_softmax
from analysis.probes.probe import Probe, ProbeInfo
from analysis.probes.scores import ClassScore, ValueScore, score_classes, score_values
from analysis.probes.splits import DEFAULT_SPLIT, shuffle_labels, split_groups, split_of
from analysis.probes.storage import ProbeFileError, load_probe, save_probe
from analysis.probes.task import ProbeTask
from analysis.probes.train import train_probe, train_regression

__all__ = [
    "DEFAULT_SPLIT",
    "ClassScore",
    "ControlledScore",
    "DenseFeatures",
    "Features",
    "FitConfig",
    "Linear",
    "Probe",
    "ProbeFileError",
    "ProbeInfo",
    "ProbeTask",
    "SparseFeatures",
    "ValueScore",
    "f_ratios",
    "fit_ridge",
    "fit_softmax",
    "load_probe",
    "save_probe",
    "score_classes",
    "score_values",
    "score_with_controls",
    "shuffle_labels",
    "split_groups",
    "split_of",
    "train_probe",
    "train_regression",
]
