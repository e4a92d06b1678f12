"""Measuring emergence in one pass over any number of runs, in memory that does not grow with them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.bootstrap import LEVEL, REPLICATES, FloatArray, Interval, group_weights, interval
from analysis.emergence.curve import EmergenceCurve, View
from analysis.emergence.metrics import commit_steps, crossing_time, fragile_share, js_distance, paek_progress

BLOCKS = 8
"""Stretches of frames per run that are resampled together: neighbouring frames are not independent."""
HALF = 0.5


@dataclass
class EmergenceAccumulator:
    """Sums over runs of one property in one view. Call ``add`` once per run, then ``curve``.

    Every sum is kept once plainly and once per bootstrap replicate with the run's own weights, so no run is kept.
    """

    property: str
    """Name of the property."""
    unit: str
    """Unit of its values."""
    view: View
    """``x_t`` or ``x1_hat``."""
    t: FloatArray
    """``[S]`` time of every state, the same for all runs."""
    centres: FloatArray
    """``[K]`` value that each class stands for."""
    tolerance: float
    """Largest difference at which two values count as the same, in ``unit``."""
    decoder: str = "clean"
    """Which probe decodes."""
    replicates: int = REPLICATES
    """B; equal for curves that are to be compared."""
    seed: int = 0
    """Seed of the bootstrap; equal for curves that are to be compared."""
    _sums: dict[str, FloatArray] = field(default_factory=dict, init=False)
    _predicted: FloatArray = field(init=False)
    _commit_counts: npt.NDArray[np.int64] = field(init=False)
    _runs: dict[str, int] = field(default_factory=dict, init=False)
    _units: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.t, self.centres = np.asarray(self.t, np.float64), np.asarray(self.centres, np.float64)
        self._predicted = np.zeros((len(self.t), len(self.centres)))
        self._commit_counts = np.zeros(len(self.t), dtype=np.int64)

    def add(
        self,
        run_id: str,
        probabilities: npt.NDArray[np.floating],
        target: npt.NDArray[np.integer],
        *,
        valid: npt.NDArray[np.bool_] | None = None,
        values: npt.NDArray[np.floating] | None = None,
        clean: npt.NDArray[np.floating] | None = None,
    ) -> None:
        """Add one run. A run without a valid frame (silent, unvoiced throughout) changes nothing.

        Parameters
        ----------
        run_id
            Name of the run; the same in every property and view, which pairs their intervals. Each run is added once.
        probabilities
            ``[S, T, K]``: the probe's decode of every state.
        target
            ``[T]``: class measured on the final audio, -1 where there is none.
        valid
            ``[T]``: frames to count, beside those with a class; default all.
        values
            ``[T]``: value measured on the final audio, for the error; default the centre of the class.
        clean
            ``[T, K]``: decode of the final latents by the clean-trained probe, for the ceiling; default the last state.
        """
        states, frames, classes = self._check(run_id, probabilities, target, valid, values, clean)
        counted = target >= 0 if valid is None else valid & (target >= 0)
        if not counted.any():
            return
        block = (np.arange(frames) * BLOCKS // frames)[counted]
        p, truth = probabilities[:, counted].astype(np.float64), target[counted]
        final = (probabilities[-1] if clean is None else clean)[counted]
        measured = self.centres[truth] if values is None else values[counted]
        predicted = p.argmax(axis=2)
        decoded = self.centres[predicted]
        committing = commit_steps(np.abs(decoded - decoded[-1]) <= self.tolerance)

        one_hot = np.eye(classes)
        per_frame = {
            "frames": np.ones((len(truth), 1)),
            "correct": (predicted == truth).T,
            "error": np.abs(decoded - measured).T,
            "js": js_distance(p, p[-1]).T,
            "committed": committing[:, None] <= np.arange(states),
            "clean_correct": (final.argmax(axis=1) == truth)[:, None],
            "target": one_hot[truth],
            "probability": p.transpose(1, 0, 2).reshape(len(truth), -1),
        }
        membership = np.eye(BLOCKS)[block]
        weights = np.concatenate(
            [np.ones((1, BLOCKS)), group_weights(run_id, self.replicates, seed=self.seed, blocks=BLOCKS)]
        )
        for name, contribution in per_frame.items():
            added = weights @ (membership.T @ contribution)
            self._sums[name] = self._sums[name] + added if name in self._sums else added
        self._predicted += np.stack([np.bincount(row, minlength=classes) for row in predicted])
        counts = np.bincount(committing, minlength=states)
        self._commit_counts += counts
        self._runs[run_id] = int(np.searchsorted(counts.cumsum(), HALF * len(truth)))
        self._units += len(np.unique(block))

    def curve(self) -> EmergenceCurve:
        """Return what the runs added so far show. Raises ``ValueError`` when none had a valid frame."""
        if not self._runs:
            raise ValueError(f"{self.property}: no run has a valid frame (silent or unvoiced throughout?)")
        frames = self._sums["frames"]
        means = {name: sums / frames for name, sums in self._sums.items()}
        for share in ("correct", "committed", "clean_correct"):
            means[share] = means[share].clip(0, 1)  # weighted sums round: a share of all may come out above 1
        chance = means["target"].max(axis=1)
        ceiling = means["clean_correct"][:, 0]
        headroom = np.where(ceiling > chance, ceiling - chance, np.nan)[:, None]
        normalised = (means["correct"] - chance[:, None]) / headroom
        half_t = crossing_time(self.t, normalised, HALF)
        probability = means["probability"].reshape(len(frames), len(self.t), len(self.centres))
        count = int(frames[0, 0])
        return EmergenceCurve(
            property=self.property,
            unit=self.unit,
            view=self.view,
            decoder=self.decoder,
            tolerance=self.tolerance,
            t=self.t,
            accuracy=self._interval(means["correct"]),
            error=self._interval(means["error"]),
            js_distance=self._interval(means["js"]),
            paek=self._interval(paek_progress(probability)),
            paek_fragile=fragile_share(probability[0]),
            committed=self._interval(means["committed"]),
            chance=self._interval(chance),
            shuffled=self._predicted / count @ means["target"][0],
            ceiling=self._interval(ceiling),
            normalised=self._interval(normalised),
            half_t=self._interval(half_t),
            half_t_replicates=half_t[1:],
            commit_step=self._interval((means["committed"] >= HALF).argmax(axis=1)),
            commit_counts=self._commit_counts.copy(),
            run_ids=tuple(self._runs),
            run_commit_step=np.array(list(self._runs.values())),
            frames=count,
        )

    def _interval(self, first_plain_then_replicates: npt.NDArray[np.generic]) -> Interval:
        """Turn ``[1 + B, ...]`` into an interval; its ends are NaN when there was only one unit to resample."""
        numbers = np.asarray(first_plain_then_replicates, np.float64)
        replicates = numbers[1:] if self._units > 1 else np.full_like(numbers[1:], np.nan)
        return interval(numbers[0], replicates, LEVEL)

    def _check(
        self,
        run_id: str,
        probabilities: npt.NDArray[np.floating],
        target: npt.NDArray[np.integer],
        valid: npt.NDArray[np.bool_] | None,
        values: npt.NDArray[np.floating] | None,
        clean: npt.NDArray[np.floating] | None,
    ) -> tuple[int, int, int]:
        """Return S, T, K, or raise ``ValueError`` naming the run and the argument that does not fit."""
        states, classes, frames = len(self.t), len(self.centres), target.shape[0] if target.ndim else 0
        if run_id in self._runs:
            raise ValueError(f"run {run_id!r} was already added; every run counts once")
        wanted = {
            "probabilities": (probabilities, (states, frames, classes)),
            "target": (target, (frames,)),
            "valid": (valid, (frames,)),
            "values": (values, (frames,)),
            "clean": (clean, (frames, classes)),
        }
        for name, (array, shape) in wanted.items():
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"{self.property} of run {run_id!r}: {name} is {array.shape}; expected {shape} for {states} "
                    f"states, {frames} frames and {classes} classes. Other steps need an accumulator of their own"
                )
        if not all(np.isfinite(array).all() for array in (probabilities, clean) if array is not None):
            raise ValueError(f"{self.property} of run {run_id!r}: the decode holds NaN; is the trace complete?")
        if frames and target.max() >= classes:
            raise ValueError(f"{self.property} of run {run_id!r}: class {target.max()}; there are only {classes}")
        return states, frames, classes
