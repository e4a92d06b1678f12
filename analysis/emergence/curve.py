"""What is known of a property at every step: the numbers behind one emergence figure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analysis.bootstrap import FloatArray, Interval
from analysis.display import facts_html, line_svg

View = Literal["x_t", "x1_hat"]


@dataclass(frozen=True)
class EmergenceCurve:
    """Emergence of one property in one view, over one run or many. S states, R runs, B bootstrap replicates.

    Every interval comes from resampling runs and, inside them, stretches of frames. Shapes are checked on construction.
    """

    property: str
    """Name of the property."""
    unit: str
    """Unit of its values."""
    view: View
    """``x_t``: what the state shows; ``x1_hat``: what the model has decided."""
    decoder: str
    """Which probe decoded: ``clean`` (fitted on clean latents), ``noise-aware``, ..."""
    tolerance: float
    """Largest difference at which two values count as the same, in ``unit``."""
    t: FloatArray
    """``[S]`` time of every state, ascending; 0 noise, 1 data."""
    accuracy: Interval
    """``[S]`` share of frames decoded as the class measured on the final audio."""
    error: Interval
    """``[S]`` mean distance of the decoded value from the measured one, in ``unit``."""
    js_distance: Interval
    """``[S]`` mean Jensen-Shannon distance of each frame's decode to its decode at the last state."""
    paek: Interval
    """``[S]`` the published metric, of probabilities averaged over all frames; unstable, see ``paek_fragile``."""
    paek_fragile: float
    """Share of classes whose probability changes by less than 0.01 in all, so that their part of ``paek`` is noise."""
    committed: Interval
    """``[S]`` share of frames whose decode stays, from here on, within tolerance of its last value."""
    chance: Interval
    """Scalar: accuracy of always answering the commonest class of these frames."""
    shuffled: FloatArray
    """``[S]`` accuracy expected of the same decodes against targets permuted over all frames (exact, no drawing)."""
    ceiling: Interval
    """Scalar: accuracy of the clean-latent decode of the same frames, the best this probe can do."""
    normalised: Interval
    """``[S]`` (accuracy - chance) / (ceiling - chance); NaN where the probe's ceiling is not above chance."""
    half_t: Interval
    """Scalar: t from which ``normalised`` stays at 0.5 or more; infinite if never, NaN if undefined."""
    half_t_replicates: FloatArray
    """``[B]`` of ``half_t``; paired between curves of the same runs, seed and number of replicates."""
    commit_step: Interval
    """Scalar: first state by which half of the frames have committed."""
    commit_counts: npt.NDArray[np.int64]
    """``[S]`` number of frames that commit at each state."""
    run_ids: tuple[str, ...]
    """``[R]`` runs with at least one valid frame."""
    run_commit_step: npt.NDArray[np.int64]
    """``[R]`` per run: first state by which half of its valid frames have committed."""
    frames: int
    """Valid frames of all runs."""

    def __post_init__(self) -> None:
        states, runs = len(self.t), len(self.run_ids)
        shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("t", "shuffled", "commit_counts"), (states,)),
            **dict.fromkeys(("accuracy", "error", "js_distance", "paek", "committed", "normalised"), (states,)),
            **dict.fromkeys(("chance", "ceiling", "half_t", "commit_step"), ()),
            "run_commit_step": (runs,),
            "half_t_replicates": (len(self.half_t_replicates),),
        }
        for name, shape in shapes.items():
            part = getattr(self, name)
            given = part.value.shape if isinstance(part, Interval) else part.shape
            if given != shape:
                raise ValueError(f"{name} of a curve with {states} states and {runs} runs must be {shape}; got {given}")
        if states < 2 or not (np.diff(self.t) > 0).all():
            raise ValueError(f"a curve needs at least two ascending times; got {self.t.tolist()}")

    @cached_property
    def step_0(self) -> Interval:
        """Accuracy at the first state, scalar: what the starting noise (or the prompt, in ``x1_hat``) already tells."""
        return self.accuracy[0]

    @cached_property
    def commit_t(self) -> float:
        """Time of ``commit_step``."""
        return float(self.t[int(self.commit_step.value)])

    def _repr_html_(self) -> str:
        """Show the accuracy over t and what it comes to, in a notebook."""
        first, last = self.accuracy[0], self.accuracy[-1]
        label = f"accuracy of {self.property} over t, from {float(first.value):.2f} to {float(last.value):.2f}"
        facts = {
            "decoder": self.decoder,
            "accuracy, first to last": f"{float(first.value):.2f} to {float(last.value):.2f}",
            "chance, ceiling": f"{float(self.chance.value):.2f}, {float(self.ceiling.value):.2f}",
            "commit step": f"{int(self.commit_step.value)} (t = {self.commit_t:.2f})",
            "runs, frames": f"{len(self.run_ids)}, {self.frames}",
        }
        picture = line_svg(self.t, self.accuracy.value, self.accuracy.low, self.accuracy.high, label)
        return facts_html(f"Emergence of {self.property} in {self.view}", facts, picture)

    def to_json(self) -> dict[str, Any]:
        """Return all fields but the replicates as JSON-ready values."""
        record: dict[str, Any] = {"step_0": self.step_0.to_json(), "commit_t": self.commit_t}
        for field in fields(self):
            part = getattr(self, field.name)
            if field.name == "half_t_replicates":
                continue
            if isinstance(part, Interval):
                part = part.to_json()
            elif isinstance(part, np.ndarray):
                part = part.tolist()
            record[field.name] = part
        return record
