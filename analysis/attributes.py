"""Acoustic attributes of a clip as a whole: voice and spectrum, by openSMILE's eGeMAPS (Eyben et al. 2016)."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.properties.frames import check_audio

EGEMAPS: Mapping[str, str] = {
    "pitch": "F0semitoneFrom27.5Hz_sma3nz_amean",
    "pitch_range": "F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2",
    "loudness": "loudness_sma3_amean",
    "jitter": "jitterLocal_sma3nz_amean",
    "shimmer": "shimmerLocaldB_sma3nz_amean",
    "hnr": "HNRdBACF_sma3nz_amean",
    "f1": "F1frequency_sma3nz_amean",
    "f2": "F2frequency_sma3nz_amean",
    "f3": "F3frequency_sma3nz_amean",
    "f1_bandwidth": "F1bandwidth_sma3nz_amean",
    "alpha_ratio": "alphaRatioV_sma3nz_amean",
    "hammarberg": "hammarbergIndexV_sma3nz_amean",
    "slope_0_500": "slopeV0-500_sma3nz_amean",
    "slope_500_1500": "slopeV500-1500_sma3nz_amean",
    "spectral_flux": "spectralFlux_sma3_amean",
    "mfcc_1": "mfcc1_sma3_amean",
    "mfcc_2": "mfcc2_sma3_amean",
    "mfcc_3": "mfcc3_sma3_amean",
    "mfcc_4": "mfcc4_sma3_amean",
}
"""Attribute -> functional of eGeMAPS v02. The set has 88, most of them statistics of these."""


def has_egemaps() -> bool:
    """Say whether the ``opensmile`` package is installed."""
    return find_spec("opensmile") is not None


def egemaps(audio: npt.NDArray[np.floating], sample_rate_hz: int) -> dict[str, float]:
    """Measure ``EGEMAPS`` on the channels' mean of a clip ``[channels, N]``; NaN for one that is too short.

    Raises ``AudioError`` for audio that is empty or not finite, ``ImportError`` without the ``opensmile`` package.
    """
    mono = check_audio(audio, "channels, samples").mean(axis=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Segment too short")
        values = _extractor().process_signal(mono, sample_rate_hz).iloc[0]
    return {name: float(values[column]) for name, column in EGEMAPS.items()}


@functools.cache
def _extractor() -> Any:
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )
