"""Measuring interventions: steered sounds against what they would have been. Arrays in, findings out."""

from analysis.steering.clip import JUDGED, ClipMeasures, measure_clip
from analysis.steering.comparison import Comparison, compare
from analysis.steering.dose import DoseResponse, dose_response
from analysis.steering.effect import Effect, Leakage, summarise
from analysis.steering.latents import LatentDistribution
from analysis.steering.target import Target
from analysis.steering.timing import TimingMap, timing_map

__all__ = [
    "JUDGED",
    "ClipMeasures",
    "Comparison",
    "DoseResponse",
    "Effect",
    "LatentDistribution",
    "Leakage",
    "Target",
    "TimingMap",
    "compare",
    "dose_response",
    "measure_clip",
    "summarise",
    "timing_map",
]
