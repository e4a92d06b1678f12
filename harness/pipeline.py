"""From requests to run folders: generate in batches, record, write the audio, build the reports."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from analysis.source import Source
from generators.base import Generation, GenerationRequest, Generator, HookPoint, RequestError, StepHook
from generators.codecs.base import Codec
from harness import provenance, runs
from harness.audio import write_wav
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.files import write_json
from harness.interventions import to_json
from harness.interventions.base import Intervention
from harness.interventions.bind import BoundIntervention, bind
from harness.memory import enough_memory
from harness.store.reader import open_trace
from harness.tracing import Tracer

Progress = Callable[[str, int, int], None]
"""``(what is being done, units done, units in all)``."""


@dataclass(frozen=True)
class RunResult:
    """What one request left on disk."""

    request: GenerationRequest
    """As resolved: with every default filled in."""
    generator: str
    """Id of the generator."""
    dir: Path
    audio: Path
    sample_rate_hz: int
    duration_s: float
    """Length of the audio."""
    seconds: float
    """Wall time from the first step to the files on disk, without the report; a batch's is shared out evenly."""
    notes: tuple[str, ...] = ()
    """The generator's remarks, such as words of the prompt it did not understand."""
    trace: Path | None = None
    report: Path | None = None
    finding: str | None = None
    """What the report found, in one sentence."""


def run(
    generator: Generator,
    requests: Sequence[GenerationRequest],
    out_dir: str | Path,
    *,
    trace: bool = False,
    report: bool = False,
    hidden: Sequence[str] = (),
    hidden_every: int = 1,
    hidden_stride: int = 1,
    hidden_dtype: str = "float16",
    yes: bool = False,
    interventions: Sequence[Intervention] = (),
    artifacts: Artifacts | None = None,
    hooks: Sequence[StepHook] = (),
    force: bool = False,
    batch_size: int = 8,
    command: str | None = None,
    progress: Progress | None = None,
) -> list[RunResult]:
    """Generate every request into a run folder of its own: audio, request, and on demand trace and report.

    One request goes to ``out_dir`` itself, several to ``out_dir/000``, ``001``, ... Neighbours that share a plan run as
    one batch. Everything that can be checked is checked before the first step. When it stops half-way (an error,
    Ctrl-C), finished runs stay, and so do the finished steps of the traces being written.

    Parameters
    ----------
    generator, requests
        What to generate, with what.
    trace, report
        Whether to record every step, and to build the page, which is made from the trace.
    hidden, hidden_every, hidden_stride, hidden_dtype
        Which hidden states the trace keeps: patterns of module paths, every n-th step, every n-th frame, stored as.
    yes
        Allow very large traces.
    interventions, artifacts
        What to change meanwhile, and the SAE and probes for it (None = those shipped for the codec); see
        ``harness.interventions.bind``. The traces list the interventions and the sizes of their edits.
    hooks
        Called after the interventions and before the tracer, so that the trace holds what they left.
    force
        Replace the run that is in the folder.
    batch_size
        Most requests at a time.
    command
        The command line to note in ``request.json``.
    progress
        Called at every step and every report.

    Raises
    ------
    InputError, RequestError
        For what cannot be generated.
    ExistsError, StorageError
        For a folder that is taken, or cannot be written.
    """
    if not requests:
        raise InputError("no request was given; give at least one prompt")
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; give 1 or more")
    if not trace and (report or hidden):
        raise InputError("a report and hidden states need the trace; record the trace too")
    tracer = functools.partial(
        Tracer,
        generator,
        hidden=hidden,
        hidden_every=hidden_every,
        hidden_stride=hidden_stride,
        hidden_dtype=hidden_dtype,
        force=force,
        yes=yes,
        extra={"interventions": [to_json(item) for item in interventions]} if interventions else None,
    )
    batches = _batches(generator, requests, batch_size)
    if report and any(generator.plan(request).sampler.get("recorded") == "x_t" for request in requests):
        raise InputError("a report shows clean estimates, and record=x_t records states alone; leave one of them out")
    bound = [bind(interventions, generator, [requests[i] for i in indices], artifacts) for indices, _ in batches]
    results: list[RunResult] = []
    with runs.reserved(Path(out_dir), len(requests), force=force) as folders:
        counter = _StepCounter(progress, sum(steps for _, steps in batches))
        about = {"command": command, **provenance.describe(generator)}
        for (indices, steps), acting in zip(batches, bound, strict=True):
            batch = [requests[index] for index in indices]
            targets = [folders[index] for index in indices]
            started = time.perf_counter()
            generations = _generate(generator, batch, targets, acting, [*hooks, counter], tracer if trace else None)
            seconds = (time.perf_counter() - started) / len(batch)
            for generation, folder in zip(generations, targets, strict=True):
                results.append(_finish(generation, folder, seconds, trace, {**about, "batch_size": len(batch)}))
            counter.finished += steps
        return _with_reports(results, generator.codec, progress) if report else results


def _batches(
    generator: Generator, requests: Sequence[GenerationRequest], batch_size: int
) -> list[tuple[list[int], int]]:
    """Cut requests into runs of neighbours that share a plan: their indices and their number of steps."""
    plans = []
    for index, request in enumerate(requests):
        try:
            plans.append(generator.plan(request))
        except RequestError as error:
            raise RequestError(f"prompt {index + 1}: {error}" if len(requests) > 1 else str(error)) from error
    batches = []
    for _, group in itertools.groupby(range(len(requests)), key=plans.__getitem__):
        indices = list(group)
        steps = len(plans[indices[0]].times) - 1
        batches += [(indices[start : start + batch_size], steps) for start in range(0, len(indices), batch_size)]
    return batches


def _generate(
    generator: Generator,
    requests: Sequence[GenerationRequest],
    folders: Sequence[Path],
    interventions: Sequence[BoundIntervention],
    hooks: Sequence[StepHook],
    tracer: Callable[..., Tracer] | None,
) -> list[Generation]:
    """Generate one batch, recording it where a tracer is given, and remove what an earlier run left in the folders."""
    device = next((parameter.device for parameter in generator.denoiser.parameters()), "cpu")
    if tracer is None:
        for folder in folders:
            runs.clear(folder)
        with enough_memory(device, chunked=generator.codec.chunked):
            return generator.generate_batch(requests, [*interventions, *hooks])
    paths = [folder / runs.TRACE for folder in folders]
    with tracer(requests, paths, interventions=interventions) as recording:
        for folder in folders:
            runs.clear(folder, keep=(runs.TRACE,))
        with enough_memory(device, chunked=generator.codec.chunked):
            generations = generator.generate_batch(requests, [*interventions, *hooks, recording])
        recording.finish(generations)
    return generations


def _finish(generation: Generation, folder: Path, seconds: float, traced: bool, about: Mapping[str, Any]) -> RunResult:
    """Write the audio and ``request.json`` of one run."""
    gain_db = write_wav(folder / runs.AUDIO, generation.audio, generation.sample_rate_hz)
    document = {
        "request": dataclasses.asdict(generation.request),
        "notes": list(generation.notes),
        "seconds": seconds,
        "audio_gain_db": gain_db,
        **about,
    }
    write_json(folder / runs.REQUEST, document)
    return RunResult(
        request=generation.request,
        generator=about["generator"]["id"],
        dir=folder,
        audio=folder / runs.AUDIO,
        sample_rate_hz=generation.sample_rate_hz,
        duration_s=generation.audio.shape[-1] / generation.sample_rate_hz,
        seconds=seconds,
        notes=generation.notes,
        trace=folder / runs.TRACE if traced else None,
    )


def _with_reports(results: Sequence[RunResult], codec: Codec, progress: Progress | None) -> list[RunResult]:
    """Decode every run, where artifacts are shipped for its codec, and build its report."""
    # These load plotly and librosa: only when a report is wanted.
    from harness.decoding.artifacts import shipped_artifacts
    from harness.decoding.decode import decode
    from harness.decoding.storage import store
    from harness.report.page import build_report

    artifacts = shipped_artifacts(Source(codec.id, codec.weights_sha256, "latents", codec.latent_channels))
    reported = []
    for done, result in enumerate(results):
        if progress is not None:
            progress("report", done, len(results))
        with open_trace(result.dir / runs.TRACE) as trace:
            if artifacts is not None:
                store(trace, decode(trace, artifacts, codec))
            report = build_report(trace, codec, result.dir / runs.REPORT)
        reported.append(dataclasses.replace(result, report=report.path, finding=report.finding))
    return reported


class _StepCounter:
    """A hook that changes nothing and tells how far the sampling is."""

    wanted_modules = ()

    def __init__(self, progress: Progress | None, steps_in_all: int) -> None:
        self._progress = progress
        self._steps_in_all = steps_in_all
        self.finished = 0
        """Steps of the batches before this one."""

    def wants(self, point: HookPoint) -> bool:
        """Want every state: one a step."""
        return self._progress is not None and point.name == "x_t"

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Report the steps that led to this state."""
        if self._progress is not None:
            self._progress("sampling", self.finished + point.step, self._steps_in_all)
