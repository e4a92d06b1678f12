"""Decoding one trace: class probabilities per step, view and frame, beside what the final sound turned out to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import properties
from analysis.emergence import View
from analysis.probes import Features, Probe
from generators.codecs.base import Codec
from harness.decoding.artifacts import CLEAN, NOISE_AWARE, VIEWS, Artifacts
from harness.decoding.top import TopFeature, top_features
from harness.errors import InputError
from harness.models import load_codec_of, require_codec
from harness.store.reader import Trace

FloatArray = NDArray[np.float32]
Decoder = tuple[View, str]
"""A view and what decodes it, ``clean`` or ``noise-aware``."""
MIN_STATES = 2


@dataclass(frozen=True)
class DecodedProperty:
    """One property in every state. Shape letters: S states, T frames, K classes."""

    name: str
    unit: str
    tolerance: float
    """Largest difference at which two values count as the same, in ``unit``."""
    centres: NDArray[np.float64]
    """``[K]`` value that each class stands for."""
    values: FloatArray
    """``[T]`` measured on the final sound, NaN where the property does not exist (no pitch, silence)."""
    target: NDArray[np.int64]
    """``[T]`` class of these values, -1 where there is none."""
    probabilities: Mapping[Decoder, NDArray[np.float16]]
    """View and decoder -> ``[S, T, K]``; no more exact than in the file, so that both give the same figures."""
    top: tuple[TopFeature, ...] = ()
    """What the clean-trained probe's decode of the final latents rests on, strongest first."""


@dataclass(frozen=True)
class Decoded:
    """One trace, decoded. The states are those of the trace: update k used state k, the last is the final latent."""

    run: str
    """Names the run: the trace's run id and its place in the batch."""
    t: NDArray[np.float64]
    """``[S]`` time of every state."""
    steps: int
    """Finished updates: S - 1, or S where the run was stopped."""
    complete: bool
    """Whether the trace was."""
    frame_rate_hz: float
    compared_with: str
    """What the properties were measured on, in words."""
    properties: Mapping[str, DecodedProperty]
    artifacts: Mapping[str, Any]
    """What decoded, JSON-ready."""
    notes: tuple[str, ...] = ()
    """What was missing or left out, in sentences."""


def decode(trace: Trace, artifacts: Artifacts, codec: Codec | None = None) -> Decoded:
    """Decode every recorded state of a trace in both views, one state in memory at a time.

    Parameters
    ----------
    trace
        Complete or not; of an incomplete one the last clean estimate stands in for the final sound.
    artifacts
        Made for this trace's latents.
    codec
        Turns that estimate into sound; loaded when it is needed and not given.

    Raises
    ------
    InputError
        If fewer than two states were recorded, or numbers in them are not finite.
    """
    states = len(trace.x_t)
    if states < MIN_STATES:
        raise InputError(f"{trace.path} holds {states} recorded states; decoding needs at least {MIN_STATES}")
    audio, compared_with, notes = _final_sound(trace, codec)
    readers = _readers(artifacts)
    frames = trace.x_t.shape[1]
    found = {key: np.empty((states, frames, probe.weights.shape[2]), np.float16) for key, probe in readers.items()}
    with torch.inference_mode():
        for state in range(states):
            t = float(trace.t[state])
            for view in VIEWS:
                features = artifacts.read(_vectors(trace, view, state))
                for (name, of, decoder), probe in readers.items():
                    if of == view:
                        found[name, of, decoder][state] = probe.probabilities(features.of(probe), t)
        final = artifacts.read(_vectors(trace, "x1_hat", states - 1))
        decoded = {
            name: _property(trace, probe, audio, final.of(probe), {k[1:]: v for k, v in found.items() if k[0] == name})
            for name, probe in artifacts.probes.items()
        }
    return Decoded(
        run=run_name(trace),
        t=np.array(trace.t[:states]),
        steps=trace.steps,
        complete=trace.complete,
        frame_rate_hz=trace.frame_rate_hz,
        compared_with=compared_with,
        properties=decoded,
        artifacts=artifacts.describe(),
        notes=tuple(notes),
    )


def run_name(trace: Trace) -> str:
    """Name a run apart from all others, those of its batch included."""
    return f"{trace.metadata['run_id']}/{trace.metadata['batch_index']}"


def _readers(artifacts: Artifacts) -> dict[tuple[str, View, str], Probe]:
    """List what decodes what: property, view, decoder."""
    clean = {(name, view, CLEAN): probe for name, probe in artifacts.probes.items() for view in VIEWS}
    aware = {
        (name, view, NOISE_AWARE): probe
        for view, probes in artifacts.aware.items()
        for name, probe in probes.items()
        if name in artifacts.probes
    }
    return {**clean, **aware}


def _vectors(trace: Trace, view: View, state: int) -> FloatArray:
    vectors = np.asarray(trace.x_t[state] if view == "x_t" else trace.x1_hat(state), np.float32)
    if not np.isfinite(vectors).all():
        raise InputError(f"{trace.path}: {view} at step {state} holds NaN or infinite numbers; generate again")
    return vectors


def _final_sound(trace: Trace, codec: Codec | None) -> tuple[FloatArray, str, list[str]]:
    """Audio ``[channels, N]`` that gives the targets, what it is in words, and remarks about it."""
    notes = []
    if not trace.complete:
        notes.append(
            f"The trace is incomplete: {trace.steps} of {len(trace.t) - 1} steps were finished. They are decoded, and "
            "compared with the last clean estimate instead of the final audio."
        )
    audio, name = trace.audio, "final audio"
    if audio is None or not audio.size:
        name = "final latent, decoded" if len(trace.x_t) == len(trace.t) else "last clean estimate, decoded"
        codec = codec or load_codec_of(trace)
        require_codec(trace, codec)
        latents = torch.from_numpy(_vectors(trace, "x1_hat", len(trace.x_t) - 1))
        with torch.inference_mode():
            audio = codec.decode(latents[None])[0].cpu().numpy()
    if not np.isfinite(audio).all():
        notes.append("Some samples of the sound are not finite numbers; they are treated as silence.")
        audio = np.nan_to_num(audio, posinf=0.0, neginf=0.0)
    return audio, name, notes


def _property(
    trace: Trace,
    probe: Probe,
    audio: FloatArray,
    final: Features,
    probabilities: Mapping[Decoder, NDArray[np.float16]],
) -> DecodedProperty:
    """Measure the targets of one property and put its decodes beside them."""
    info = probe.info
    if info.bins is None:
        raise ValueError(f"the {info.property} probe is a regression")
    track = properties.load(info.property).measure(audio, trace.sample_rate_hz, trace.frame_rate_hz, final.frames)
    values = track.masked()
    target = info.bins.index(values)
    return DecodedProperty(
        name=info.property,
        unit=info.unit,
        tolerance=info.tolerance,
        centres=info.bins.centres,
        values=values,
        target=target,
        probabilities=probabilities,
        top=top_features(probe, final, target),
    )
