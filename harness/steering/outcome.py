"""One generation, measured: straight from a generator, or read from its trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.steering import ClipMeasures, measure_clip
from generators.base import Generation, GenerationRequest, Generator
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.interventions.base import Intervention
from harness.interventions.bind import BoundIntervention, bind
from harness.store.reader import Trace

BATCH = 8
"""Requests generated at a time."""
Window = tuple[float, float]
"""Start and stop in seconds of the audio."""
Progress = Callable[[int], None]
"""Called with the number of requests finished."""


@dataclass(frozen=True)
class Outcome:
    """What one request came to. T frames, C channels."""

    run: str
    """Names prompt and seed."""
    measures: ClipMeasures
    latents: NDArray[np.float32]
    """``[T, C]`` final latents."""
    relative_norms: NDArray[np.float32]
    """``[S, I]`` norm of every intervention's edit at every update, relative to what it edited; I may be 0."""

    @property
    def relative_norm(self) -> float:
        """Root mean square of ``relative_norms`` where they are not 0; 0 without edits."""
        acted = self.relative_norms[self.relative_norms > 0]
        return float(np.sqrt(np.mean(np.square(acted, dtype=np.float64)))) if acted.size else 0.0


def run_name(request: GenerationRequest) -> str:
    """Name a prompt and its seed."""
    return f"{request.seed}: {request.prompt}"


def generate_outcomes(
    generator: Generator,
    requests: Sequence[GenerationRequest],
    interventions: Sequence[Intervention] = (),
    artifacts: Artifacts | None = None,
    *,
    window_s: Window | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Generate requests of one plan in batches, under the interventions, and measure them.

    Parameters
    ----------
    window_s
        Stretch of the audio that is measured; None = all of it.

    Raises
    ------
    InputError, RequestError, SourceError
        For what cannot be generated, and interventions that cannot be used.
    """
    outcomes: list[Outcome] = []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        hooks = bind(interventions, generator, batch, artifacts)
        steps = len(generator.plan(batch[0]).times) - 1
        for index, generation in enumerate(generator.generate_batch(batch, hooks)):
            outcomes.append(_outcome(generator, generation, _relative_norms(hooks, index, steps), window_s))
            if progress is not None:
                progress(len(outcomes))
    return outcomes


def read_outcome(trace: Trace, window_s: Window | None = None) -> Outcome:
    """Measure a recorded generation. Raises ``InputError`` for an incomplete one."""
    audio = trace.audio
    if audio is None:
        raise InputError(f"{trace.path} is incomplete: its audio is missing; generate it again")
    sizes = trace.relative_norms
    norms = np.zeros((trace.steps, 0)) if sizes is None else np.stack([sizes[step] for step in range(trace.steps)])
    return Outcome(
        run=run_name(GenerationRequest(**trace.request)),
        measures=measure_clip(cut(audio, trace.sample_rate_hz, window_s), trace.sample_rate_hz, trace.frame_rate_hz),
        latents=np.asarray(trace.x_t[trace.steps], np.float32),
        relative_norms=norms.astype(np.float32),
    )


def cut(audio: NDArray[np.float32], sample_rate_hz: int, window_s: Window | None) -> NDArray[np.float32]:
    """Return the stretch of ``audio [channels, N]``."""
    if window_s is None:
        return audio
    start, stop = (round(edge_s * sample_rate_hz) for edge_s in window_s)
    return audio[:, start:stop]


def _outcome(
    generator: Generator, generation: Generation, norms: NDArray[np.float32], window_s: Window | None
) -> Outcome:
    audio = cut(generation.audio, generation.sample_rate_hz, window_s)
    return Outcome(
        run=run_name(generation.request),
        measures=measure_clip(audio, generation.sample_rate_hz, float(generator.codec.frame_rate_hz)),
        latents=generation.latents.numpy(),
        relative_norms=norms,
    )


def _relative_norms(hooks: Sequence[BoundIntervention], index: int, steps: int) -> NDArray[np.float32]:
    norms = np.zeros((steps, len(hooks)), np.float32)
    for column, hook in enumerate(hooks):
        for step, norm in hook.record.items():
            norms[step, column] = float(norm[index])
    return norms
