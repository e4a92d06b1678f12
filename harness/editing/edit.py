"""One recording edited: the strength is what brings the decoded sound, not the probe, to what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from analysis.steering import JUDGED, ClipMeasures, Target, measure_clip
from analysis.steering.target import hit_share
from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.codecs.discrete import DiscreteCodec
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.interventions.set_property import SetProperty
from harness.interventions.site import LatentSite
from harness.interventions.still import edit_latents

STRENGTHS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Tried in this order; the first that brings most frames to the target is taken, else the best."""
ENOUGH = 0.9
"""Share of judged frames on target at which no other strength is tried."""
EXCERPT_S = 10.0
"""Longest stretch that strengths are tried on."""


@dataclass(frozen=True)
class Edited:
    """A recording before and after. Audio is float32 ``[channels, N]`` at ``sample_rate_hz``."""

    sample_rate_hz: int
    """The codec's."""
    decoded: npt.NDArray[np.float32]
    """The latents as they were, decoded: what the edit is to be compared with."""
    audio: npt.NDArray[np.float32]
    """The edited latents decoded."""
    strengths: Mapping[str, float]
    """Property -> strength that was taken."""
    reached: Mapping[str, float]
    """Property -> share of the frames of ``decoded`` it can be judged in that are on target in ``audio``."""
    moved: Mapping[str, tuple[float, float]]
    """Every judged property -> median over frames before and after; NaN where no frame has it."""
    requantised: bool
    """Whether the edited latents went through the codec's codebooks."""


@torch.inference_mode()
def edit_recording(
    audio: npt.NDArray[np.float32],
    sample_rate_hz: int,
    codec: Codec,
    wanted: Sequence[SetProperty],
    artifacts: Artifacts | None = None,
    *,
    strength: float | None = None,
    requantise: bool = False,
) -> Edited:
    """Set properties of a recording ``[channels, N]``, one after the other.

    Parameters
    ----------
    artifacts
        SAE and probes of the codec's latents; None = the shipped ones.
    strength
        Multiplies every edit; None finds the one that reaches the target in an excerpt, by decoding and measuring.
    requantise
        Decode the edited latents from the codes nearest to them, as a listener of the codec would hear them.

    Raises
    ------
    InputError
        For a property that is nowhere in the recording, SAE and probes that do not fit, or a codec without codes.
    """
    if requantise and not isinstance(codec, DiscreteCodec):
        raise InputError(f"codec {codec.id!r} has no codes to go through as it was loaded; leave requantise out")
    site = LatentSite(codec, artifacts)
    for one in wanted:
        site.probe(one.property)
        if one.property not in JUDGED:
            raise InputError(f"{one.property} cannot be judged in a sound; give one of {', '.join(JUDGED)}")
    artifacts = site.artifacts
    heard = prepare_audio(
        torch.from_numpy(audio)[None], sample_rate_hz, to_hz=codec.sample_rate_hz, channels=codec.channels
    )
    latents = codec.encode(heard, codec.sample_rate_hz)
    before = _Sound(codec, requantise=False).of(latents, heard.shape[-1])
    baseline, sound = _measure(before, codec), _Sound(codec, requantise=requantise)
    found: dict[str, float] = {}
    for one in wanted:
        if not baseline.judged_frames(one.property).any():
            raise InputError(f"no frame of the recording has a {one.property} to change; it may be silent or too short")
        chosen = strength if strength is not None else _fit(latents, one, codec, artifacts, baseline, sound)
        latents = edit_latents(latents, one, codec, artifacts, strength=chosen)
        found[one.property] = chosen
    after = sound.of(latents, heard.shape[-1])
    measured = _measure(after, codec)
    return Edited(
        sample_rate_hz=codec.sample_rate_hz,
        decoded=before,
        audio=after,
        strengths=found,
        reached={one.property: hit_share(baseline, measured, _target(one)) for one in wanted},
        moved={name: (baseline.typical(name), measured.typical(name)) for name in JUDGED},
        requantised=requantise,
    )


@dataclass(frozen=True)
class _Sound:
    """Latents made audible."""

    codec: Codec
    requantise: bool

    def of(self, latents: torch.Tensor, samples: int) -> npt.NDArray[np.float32]:
        """Decode ``[1, T, C]`` to ``[channels, samples]``."""
        if self.requantise and isinstance(self.codec, DiscreteCodec):
            decoded = self.codec.decode_codes(self.codec.quantise(latents))
        else:
            decoded = self.codec.decode(latents)
        return decoded[0, :, :samples].cpu().numpy()


def _fit(
    latents: torch.Tensor,
    wanted: SetProperty,
    codec: Codec,
    artifacts: Artifacts | None,
    baseline: ClipMeasures,
    sound: _Sound,
) -> float:
    """Find the strength at which an excerpt sounds as asked."""
    frames = int(EXCERPT_S * codec.frame_rate_hz)
    start = _densest(baseline.judged_frames(wanted.property), frames)
    excerpt = latents[:, start : start + frames]
    samples = excerpt.shape[1] * codec.hop_samples
    still = _measure(_Sound(codec, requantise=False).of(excerpt, samples), codec)
    shares = {}
    for strength in STRENGTHS:
        changed = edit_latents(excerpt, wanted, codec, artifacts, strength=strength)
        shares[strength] = hit_share(still, _measure(sound.of(changed, samples), codec), _target(wanted))
        if shares[strength] >= ENOUGH:
            break
    return max(shares, key=lambda strength: (np.nan_to_num(shares[strength]), -strength))


def _densest(judged: npt.NDArray[np.bool_], frames: int) -> int:
    """Start of the stretch of ``frames`` with the most judged ones, among stretches laid end to end."""
    starts = range(0, len(judged), frames)
    return max(starts, key=lambda start: int(judged[start : start + frames].sum()))


def _measure(audio: npt.NDArray[np.float32], codec: Codec) -> ClipMeasures:
    return measure_clip(audio, codec.sample_rate_hz, codec.frame_rate_hz)


def _target(wanted: SetProperty) -> Target:
    return Target(wanted.property, change=wanted.change, to=wanted.to)
