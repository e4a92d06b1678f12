"""The paired experiment: a recorded request again, as it was, steered, and with a random edit of the same size."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.steering import Target
from generators.base import GenerationRequest, Generator
from harness import pipeline, runs
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.files import check_output
from harness.interventions import to_json
from harness.interventions.base import Intervention
from harness.interventions.bind import bind
from harness.interventions.random_direction import RandomDirection
from harness.models import require_generator
from harness.steering.arms import compare_all, control_of, dosed, dosed_target, natural_latents, target_of, window_of
from harness.steering.outcome import Outcome, generate_outcomes, read_outcome
from harness.steering.result import AS_GIVEN, RESULT, SteeringResult
from harness.store.reader import Trace, open_trace

USUAL_DOSES = (0.5, 1.5, 2.0, 2 / 3, 4 / 3, 1 / 3)
"""Others, in the order in which they are tried."""


def steer_recorded(
    trace: Trace,
    generator: Generator,
    interventions: Sequence[Intervention],
    out: Path,
    *,
    artifacts: Artifacts | None = None,
    strengths: Sequence[float] | None = None,
    seeds: int = 4,
    force: bool = False,
    command: str | None = None,
    progress: pipeline.Progress | None = None,
) -> SteeringResult:
    """Run the experiment on the request of ``trace``; everything is checked before the first step.

    Parameters
    ----------
    trace, generator
        A recorded generation, and the generator that made it.
    interventions
        What to do. The first ``SetProperty`` among them names the target.
    out
        Folder for the three runs, and for what ``read_result`` reads.
    artifacts
        SAE and probes; None = those shipped for the codec.
    strengths
        Doses besides 1, for the dose-response; see ``dosed``. None = the first two of ``USUAL_DOSES`` that can be given
        (a pitch may move in whole semitones only).
    seeds
        How many seeds: the recorded one and those after it.
    force
        Replace what is in ``out``.

    Raises
    ------
    InputError, SourceError
        For another generator than the trace's, interventions that cannot be used, or numbers that make no sense.
    ExistsError, StorageError
        For a folder that is taken or cannot be written.
    """
    _check(trace, generator, interventions, strengths or (), seeds)
    request = generator.resolve(GenerationRequest(**trace.request))
    doses = _doses(generator, request, interventions, artifacts, strengths)
    check_output(out, force=force)
    (out / RESULT).unlink(missing_ok=True)
    others = [dataclasses.replace(request, seed=request.seed + more) for more in range(1, seeds)]
    count = _Counter(progress, len(doses) + 2, seeds)
    window_s = window_of(interventions)

    def recorded_and_more(arm: str, edits: Sequence[Intervention]) -> list[Outcome]:
        """Run the recorded seed alone, into a folder of its own, and the other seeds without files."""
        pipeline.run(
            generator,
            [request],
            out / arm,
            trace=True,
            interventions=edits,
            artifacts=artifacts,
            force=force,
            command=command,
        )
        count.seeds(1)
        with open_trace(out / arm / runs.TRACE) as recording:
            first = read_outcome(recording, window_s)
        more = generate_outcomes(
            generator, others, edits, artifacts, window_s=window_s, progress=lambda done: count.seeds(1 + done)
        )
        count.arm_done()
        return [first, *more]

    baselines = recorded_and_more("baseline", ())
    natural, target = natural_latents(baselines), target_of(interventions)
    steered = recorded_and_more("steered", interventions)
    control = recorded_and_more("control", control_of(interventions, steered))
    outcomes = {"steered": steered, "control": control}
    by_dose = {}
    for dose, edits in doses.items():
        made = steered
        if dose != AS_GIVEN:
            made = generate_outcomes(
                generator, [request, *others], edits, artifacts, window_s=window_s, progress=count.seeds
            )
            count.arm_done()
        by_dose[dose] = tuple(compare_all(baselines, made, dosed_target(target, dose), natural))
    result = SteeringResult(
        out=out,
        request=request,
        interventions=tuple(to_json(item) for item in interventions),
        target=target,
        by_dose=by_dose,
        control=tuple(compare_all(baselines, control, target, natural)),
        relative_norm={arm: float(np.mean([o.relative_norm for o in made])) for arm, made in outcomes.items()},
        seeds=(request.seed, *(other.seed for other in others)),
        notes=_notes(trace, out, baselines[0], target),
    )
    result.store()
    return result


class _Counter:
    """Turns seeds finished within an arm into one progress bar."""

    def __init__(self, progress: pipeline.Progress | None, arms: int, seeds: int) -> None:
        self._progress, self._total, self._seeds = progress, arms * seeds, seeds
        self._finished = 0

    def seeds(self, done: int) -> None:
        """Report ``done`` seeds of the present arm."""
        if self._progress is not None:
            self._progress("steering", self._finished + done, self._total)

    def arm_done(self) -> None:
        """Go on to the next arm."""
        self._finished += self._seeds


def _check(
    trace: Trace, generator: Generator, interventions: Sequence[Intervention], strengths: Sequence[float], seeds: int
) -> None:
    if not interventions:
        raise InputError("no intervention was given; give --set PROPERTY=CHANGE or --steer EXPRESSION")
    if any(isinstance(item, RandomDirection) for item in interventions):
        raise InputError("a random direction is the control already; steer with something else")
    if seeds < 1:
        raise InputError(f"seeds is {seeds}; give 1 or more")
    if any(not np.isfinite(strength) or strength <= 0 for strength in strengths):
        raise InputError(f"strengths are {list(strengths)}; give finite numbers above 0: 1 is the edit as given")
    require_generator(trace, generator)


def _doses(
    generator: Generator,
    request: GenerationRequest,
    interventions: Sequence[Intervention],
    artifacts: Artifacts | None,
    strengths: Sequence[float] | None,
) -> dict[float, tuple[Intervention, ...]]:
    """Return the edits of every dose, 1 among them, ascending; all can be given."""
    bind(interventions, generator, request, artifacts)

    def can_be_given(dose: float) -> bool:
        try:
            bind(dosed(interventions, dose), generator, request, artifacts)
        except InputError:
            return False
        return True

    if strengths is None:
        strengths = [dose for dose in USUAL_DOSES if can_be_given(dose)][:2]
    doses = {dose: dosed(interventions, dose) for dose in sorted({*strengths, AS_GIVEN})}
    for edits in doses.values():
        bind(edits, generator, request, artifacts)
    return doses


def _notes(trace: Trace, out: Path, baseline: Outcome, target: Target | None) -> tuple[str, ...]:
    notes = []
    if trace.metadata["extra"].get("interventions"):
        notes.append("The recorded run was steered itself; the baseline is the same request without any edit.")
    elif trace.complete:
        apart = float(np.abs(np.asarray(trace.x_t[trace.steps], np.float32) - baseline.latents).max())
        if apart:
            notes.append(
                f"The baseline differs from the recorded run by {apart:.2g} at most: a batch of another size, or "
                "another machine, rounds differently."
            )
    if target is not None and not baseline.measures.can_judge(target.property):
        notes.append(
            f"The baseline's {target.property} is not there, or not stable, in enough frames to judge whether the "
            "target was reached."
        )
    return tuple(notes)
