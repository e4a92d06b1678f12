"""One clip against its baseline of the same prompt and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from analysis import properties
from analysis.steering import preservation
from analysis.steering.clip import JUDGED, ClipMeasures
from analysis.steering.target import REACHED_SHARE, Target, hit_share

NAN = float("nan")


@dataclass(frozen=True)
class Comparison:
    """What a steering, or its control, did to one run; numbers only, so that it can be stored and pooled."""

    run: str
    """Names prompt and seed: what is resampled, and what pairs arms and doses."""
    target: Target | None
    """What was asked for; None where the edit has no target."""
    eligible: bool
    """Whether the baseline has the target property well enough (pitch: voiced and stable)."""
    on_target: float
    """Share of the judged frames that are on target; NaN without a target or frames."""
    baseline: Mapping[str, float]
    """Property -> typical value of the baseline."""
    change: Mapping[str, float]
    """Property -> median over frames of the change, in its unit; NaN where it exists in neither."""
    unchanged: Mapping[str, float]
    """Property -> share of the baseline's judged frames that stay within the property's tolerance."""
    lufs_change: float
    log_mel_db: float
    """Mean absolute difference of the mel bands."""
    chroma_similarity: float
    """Cosine, after a wanted transposition was undone."""
    onset_f1: float
    clipped_change: float
    """Of the share of samples at or beyond full scale."""
    flatness_change_db: float
    """Of the median spectral flatness: higher is noisier."""
    latent_distance: float = NAN
    """Of the edited run's latents to the distribution of unsteered ones; about 1 inside it."""

    @property
    def reached(self) -> bool:
        """Whether a typical frame is on target."""
        return self.on_target >= REACHED_SHARE

    def kept(self, name: str) -> bool:
        """Whether a typical frame still has the baseline's value of ``name``."""
        return self.unchanged[name] >= REACHED_SHARE

    def to_json(self) -> dict[str, Any]:
        """Return all fields, None for NaN."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read back what ``to_json`` gave."""
        fields: dict[str, Any] = {name: _number(value) for name, value in record.items() if name != "target"}
        return cls(target=None if record["target"] is None else Target(**record["target"]), **fields)


def compare(
    run: str,
    baseline: ClipMeasures,
    other: ClipMeasures,
    target: Target | None = None,
    *,
    latent_distance: float = NAN,
) -> Comparison:
    """Compare a clip with its baseline. Raises ``ValueError`` unless both have the same frames."""
    if len(baseline.sounding) != len(other.sounding):
        raise ValueError(
            f"run {run!r}: {len(other.sounding)} frames against the baseline's {len(baseline.sounding)}; "
            "a paired comparison needs the same request"
        )
    semitones = target.change if target is not None and target.property == "pitch" else None
    return Comparison(
        run=run,
        target=target,
        eligible=target is None or baseline.can_judge(target.property),
        on_target=NAN if target is None else hit_share(baseline, other, target),
        baseline={name: baseline.typical(name) for name in JUDGED},
        change={name: _change(baseline, other, name) for name in JUDGED},
        unchanged={name: hit_share(baseline, other, Target(name, change=0.0)) for name in JUDGED},
        lufs_change=other.lufs - baseline.lufs,
        log_mel_db=preservation.log_mel_distance_db(baseline, other),
        chroma_similarity=preservation.chroma_similarity(baseline, other, semitones or 0.0),
        onset_f1=preservation.onset_f1(baseline, other),
        clipped_change=other.clipped - baseline.clipped,
        flatness_change_db=_median(other.flatness_db) - _median(baseline.flatness_db),
        latent_distance=latent_distance,
    )


def unit(name: str) -> str:
    """Return the unit in which changes of a property are given, in one word."""
    return properties.load(name).unit.split()[0]


def _change(baseline: ClipMeasures, other: ClipMeasures, name: str) -> float:
    frames = baseline.judged_frames(name)
    return _median((other.values[name] - baseline.values[name])[frames])


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else NAN


def _number(value: Any) -> Any:
    """Undo ``_plain``."""
    if isinstance(value, dict):
        return {name: _number(part) for name, part in value.items()}
    return NAN if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
