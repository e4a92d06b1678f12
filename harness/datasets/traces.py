"""Traces as units: states, clean estimates or hidden states at chosen t, with the properties of the final audio."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.probes.splits import split_of
from analysis.source import Source
from harness.datasets.collect import measure
from harness.datasets.format import FileRecord, Part, Plan
from harness.errors import InputError
from harness.runs import trace_paths
from harness.store.reader import Trace, open_trace


@dataclass(frozen=True)
class TraceFile:
    """One trace."""

    path: Path

    @property
    def name(self) -> str:
        """The path of the trace."""
        return str(self.path)

    @property
    def version(self) -> str:
        """Size and time of the last change."""
        status = self.path.stat()
        return f"{status.st_size}:{status.st_mtime_ns}"


@dataclass(frozen=True)
class TraceCollector:
    """Reads vectors from traces, at the recorded states nearest to the t that were asked for."""

    plan: Plan

    def collect(self, unit: TraceFile) -> list[Part]:
        """Return the trace's part. Raises ``ValueError`` for one that is incomplete or of another model."""
        with open_trace(unit.path) as trace:
            found = trace_source(trace, self.plan.source.hook_point)
            if found != self.plan.source:
                raise InputError(f"it is of {found.model_id!r} with other weights or width than the first trace")
            audio = trace.audio
            if audio is None:
                raise InputError("it is incomplete, so there is no final audio to measure")
            labels = measure(audio, self.plan, trace.x_t.shape[1])
            blocks = [_vectors(trace, self.plan.source.hook_point, t) for t in self.plan.times]
            return [
                Part(
                    file=self._record(unit, trace, audio, sum(len(vectors) for vectors, _ in blocks)),
                    vectors=np.concatenate([vectors for vectors, _ in blocks]),
                    t=np.repeat(np.array(self.plan.times, np.float32), [len(vectors) for vectors, _ in blocks]),
                    labels={
                        name: np.concatenate([values[frames] for _, frames in blocks])
                        for name, values in labels.items()
                    },
                )
            ]

    def _record(self, unit: TraceFile, trace: Trace, audio: np.ndarray, rows: int) -> FileRecord:
        with unit.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # The same prompt and seed give the same sound, so it is the request that must not be split.
        group = hashlib.sha256(f"{trace.generator_id} {sorted(trace.request.items())}".encode()).hexdigest()
        return FileRecord(
            name=unit.name,
            sha256=digest,
            group=group,
            split=split_of(group, self.plan.shares, self.plan.seed),
            sample_rate_hz=trace.sample_rate_hz,
            channels=audio.shape[0],
            samples=audio.shape[1],
            rows=rows,
        )


def find_traces(paths: Sequence[Path]) -> list[TraceFile]:
    """List the traces meant by run folders, folders of runs, and trace files. Raises ``InputError`` for none."""
    return [TraceFile(path) for path in trace_paths(paths)]


def trace_source(trace: Trace, hook_point: str) -> Source:
    """Say what the vectors at a hook point of a trace are. Raises ``InputError`` when it was not recorded."""
    if hook_point in ("x_t", "x1_hat"):
        width = trace.x_t.shape[2]
        return Source(trace.codec_id, trace.metadata["codec_weights_sha256"], hook_point, width)
    if hook_point not in trace.hidden:
        recorded = ", ".join(["x_t", "x1_hat", *trace.hidden])
        raise InputError(f"{trace.path} has no hook point {hook_point!r}; it has {recorded}")
    hidden = trace.hidden[hook_point]
    if hidden.axes != ("frame", "feature"):
        raise InputError(f"{hook_point!r} of {trace.path} has axes {', '.join(hidden.axes)}, not one vector a frame")
    return Source(trace.generator_id, trace.weights_sha256, hook_point, hidden.shape[-1])


def _vectors(trace: Trace, hook_point: str, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Vectors ``[n, d]`` at the recorded state nearest to t, and the latent frames ``[n]`` they belong to."""
    if hook_point in trace.hidden:
        hidden = trace.hidden[hook_point]
        if not hidden.steps:
            raise InputError(f"it holds no finished step of {hook_point!r}")
        step = min(hidden.steps, key=lambda k: abs(float(trace.t[k]) - t))
        return hidden.at(step), hidden.indices
    step = int(np.abs(trace.t - t).argmin())
    vectors = trace.x_t[step] if hook_point == "x_t" else trace.x1_hat(step)
    return np.asarray(vectors, np.float32), np.arange(len(vectors))
