"""Everything the panels need from a trace, gathered once: chosen steps, their decoded clean estimates, measurements."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import properties
from generators.codecs.base import Codec
from harness.datasets.reader import Dataset
from harness.decoding.artifacts import Artifacts, latents_of, shipped_artifacts
from harness.decoding.decode import Decoded
from harness.decoding.emergence import Curves, measure
from harness.decoding.storage import read_decoded
from harness.errors import InputError
from harness.report import plots
from harness.report.players import common_gain
from harness.report.tracks import Tracks, finding
from harness.store.reader import Trace

FloatArray = NDArray[np.float32]

EXCERPT_S = 20.0
"""Longest stretch of each step that is decoded; longer traces are heard and measured from their beginning."""
MEASURED = ("pitch", "loudness", "timbre")
"""Properties measured on every decoded step: scalars of ``analysis.properties.PROPERTIES``."""


@dataclass(frozen=True)
class Context:
    """One trace, as the panels see it. Shape letters: R chosen steps, N samples."""

    trace: Trace
    codec: Codec
    steps: NDArray[np.int64]
    """``[R]`` steps whose clean estimate was decoded; empty when the trace has none."""
    clips: FloatArray
    """``[R, channels, N]`` the decoded clean estimates."""
    final: FloatArray
    """``[channels, N']`` what they are compared with, in full length; no samples when there is nothing."""
    final_name: str
    """What that is, in words."""
    tracks: tuple[Tracks, ...]
    """One entry a measured property; empty when no step was finished."""
    decoded: Decoded | None
    """What ``harness decode`` stored with the trace, if it was decoded."""
    artifacts: Artifacts | None
    """The SAE and probes that decoded it, where they are at hand."""
    dataset: Dataset | None
    """Where to look for sounds that features are strongest in."""
    notes: tuple[str, ...]
    """What is missing from the trace or was left out, in sentences."""

    @property
    def sample_rate_hz(self) -> int:
        """Of all its sounds."""
        return self.codec.sample_rate_hz

    @cached_property
    def curves(self) -> Curves:
        """Emergence curves of what was decoded; empty where nothing was."""
        return measure(self.decoded) if self.decoded else {}

    @property
    def finding(self) -> str:
        """One plain sentence: by which step the clean estimate has what the final sound has."""
        found = finding(self.tracks, self.step_count, self.final_name)
        if self.trace.complete or not self.tracks:
            return found
        begin = f"After {self.trace.steps} of {self.step_count} steps, compared with the {self.final_name}"
        return f"{begin}: {found[0].lower()}{found[1:]}"

    @property
    def gain(self) -> float:
        """Common gain of all players, so that none clips and loudness can be compared."""
        return common_gain(self.clips, self.final)

    @property
    def t(self) -> NDArray[np.float64]:
        """``[R]`` times of ``steps``."""
        return np.asarray(self.trace.t, dtype=np.float64)[self.steps]

    @property
    def step_count(self) -> int:
        """Updates that were asked for; ``trace.steps`` says how many are in the file."""
        return len(self.trace.t) - 1


def gather(
    trace: Trace,
    codec: Codec,
    audio_steps: int | None = 9,
    artifacts: Artifacts | None = None,
    dataset: Dataset | None = None,
) -> Context:
    """Decode and measure ``audio_steps`` clean estimates, evenly spaced from the first finished step to the last.

    None means all of them. Without ``artifacts`` the shipped ones are taken. Raises ``InputError`` when ``audio_steps``
    is below 2.
    """
    if audio_steps is not None and audio_steps < 2:
        raise InputError(f"audio_steps is {audio_steps}; give 2 or more: the first step and the last are always heard")
    notes = [f"The generator remarks: {remark}" for remark in trace.metadata.get("notes", ())]
    if not trace.complete:
        notes.append(
            f"This trace is incomplete: {trace.steps} of {len(trace.t) - 1} steps were finished. "
            "What they hold is shown; the final audio is missing."
        )
    steps = plots.thin(trace.steps, audio_steps or trace.steps)
    audio = trace.audio
    final = np.zeros((codec.channels, 0), np.float32) if audio is None else audio
    if not len(steps):
        clips = np.zeros((0, codec.channels, 0), np.float32)
        return Context(trace, codec, steps, clips, final, "final audio", (), None, None, None, tuple(notes))

    length = trace.x_t[0].shape[0]
    frames = min(length, max(1, int(EXCERPT_S * codec.frame_rate_hz)))
    if frames < length:
        notes.append(f"The steps are decoded and measured over their first {EXCERPT_S:g} seconds only.")
    latents = [trace.x1_hat(int(step)) for step in steps]
    final_name = "final audio"
    if not final.size and trace.complete:
        notes.append("The trace holds no audio; its final latent was decoded instead.")
        final_name = "final latent, decoded"
        latents.append(trace.x_t[trace.steps])
    elif not final.size:
        final_name = "clean estimate of the last finished step"
    with torch.inference_mode():
        batch = np.stack([latent[:frames].astype(np.float32) for latent in latents])
        decoded = codec.decode(torch.from_numpy(batch)).cpu().numpy()
    final = final if final.size else decoded[-1]
    if not (np.isfinite(decoded).all() and np.isfinite(final).all()):
        notes.append("Some samples are not finite numbers; they are treated as silence.")
        decoded, final = (np.nan_to_num(audio, posinf=0.0, neginf=0.0) for audio in (decoded, final))
    clips = decoded[: len(steps)]
    t = np.asarray(trace.t, dtype=np.float64)[steps]
    tracks = _track(clips, final[:, : clips.shape[-1]], codec, frames, steps, t)
    found = read_decoded(trace)
    if found is None:
        notes.append(
            "What probes read in every step is not in this trace; to add it: "
            f"harness decode {shlex.quote(str(trace.path))}, then build this report again."
        )
    used = None if found is None else _matching(found, artifacts or shipped_artifacts(latents_of(trace)))
    return Context(trace, codec, steps, clips, final, final_name, tracks, found, used, dataset, tuple(notes))


def _matching(decoded: Decoded, artifacts: Artifacts | None) -> Artifacts | None:
    """Return the artifacts if they have the SAE and the probes that decoded."""
    if artifacts is None or artifacts.describe()["sae"] != decoded.artifacts["sae"]:
        return None
    return artifacts if set(decoded.properties) <= set(artifacts.probes) else None


def _track(
    clips: FloatArray, final: FloatArray, codec: Codec, frames: int, steps: NDArray[np.int64], t: NDArray[np.float64]
) -> tuple[Tracks, ...]:
    """Measure every property on the clips and on the final sound."""
    time_s = ((np.arange(frames) + 0.5) / codec.frame_rate_hz).astype(np.float32)
    tracks = []
    for name in MEASURED:
        measured = properties.load(name)
        grid = (codec.sample_rate_hz, codec.frame_rate_hz, frames)
        values = measured.measure_batch(clips, *grid).masked()
        tracks.append(Tracks(measured, steps, t, time_s, values, measured.measure(final, *grid).masked()))
    return tuple(tracks)
