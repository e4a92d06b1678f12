"""Changing one property of real sounds through an SAE's features, as Paek et al. do: an additive control vector.

A frame of class a is moved to class b by adding the difference of the two classes' mean codes; what the SAE does not
explain of the frame stays. Frames without the property, and those whose class a or b no training frame has, stay as
they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import properties
from analysis.probes import ProbeTask
from analysis.sae.base import SAE
from generators.codecs.base import Codec
from harness.datasets.reader import Dataset
from harness.fitting.probes import Frames, encode

SHIFTS: Mapping[str, float] = {"pitch": 3.0, "loudness": -10.0, "timbre": 0.5}
"""Property -> change that is asked for: semitones, dB, octaves."""
EXCERPT_S = 5.0
"""Longest stretch of a file that is changed."""


@dataclass(frozen=True)
class ControlVectors:
    """Mean code of every class of a property."""

    task: ProbeTask
    means: torch.Tensor
    """``[K, d_sae]``; NaN for a class without training frames."""

    def apply(self, sae: SAE, latents: torch.Tensor, values: NDArray[np.float32], shift: float) -> torch.Tensor:
        """Move frames ``latents [T, d_in]`` with measured ``values [T]`` by ``shift`` in the property's unit."""
        bins = self.task.bins
        classes = (torch.from_numpy(bins.index(asked)) for asked in (values, values + np.float32(shift)))
        now, then = classes
        move = self.means[then] - self.means[now]
        move[(now < 0) | (then < 0)] = 0
        code = sae.encode(latents)
        return latents + (sae.decode((code + move.nan_to_num(0)).relu()) - sae.decode(code))


@dataclass(frozen=True)
class Example:
    """One excerpt before and after."""

    name: str
    """The file it is from."""
    property: str
    asked: float
    """Change that was asked for, in the property's unit."""
    moved: Mapping[str, float]
    """Property -> median change over the frames that have it before and after; NaN where none has."""
    before: NDArray[np.float32]
    """``[channels, N]``: the latents decoded."""
    after: NDArray[np.float32]


def control_vectors(sae: SAE, frames: Frames, task: ProbeTask) -> ControlVectors:
    """Average the codes of the training frames of every class."""
    (vectors,) = frames.vectors.values()
    train = task.rows("train")
    features = encode(sae, vectors).take(train)
    one_hot = torch.from_numpy(np.eye(task.bins.count, dtype=np.float32)[task.target[train]])
    sums, counts = features.transposed_matmul(one_hot).T, one_hot.sum(0)[:, None]
    return ControlVectors(task, sums / counts)


@torch.inference_mode()
def examples(
    sae: SAE, dataset: Dataset, codec: Codec, vectors: Mapping[str, ControlVectors], count: int
) -> Iterator[Example]:
    """Change excerpts of up to ``count`` test files, every property by its share of ``SHIFTS``."""
    bounds = pairwise(accumulate((file.rows for file in dataset.files), initial=0))
    inside = [(file, bound) for file, bound in zip(dataset.files, bounds, strict=True) if file.split == "test"]
    length = max(int(EXCERPT_S * codec.frame_rate_hz), 1)
    for file, (start, stop) in inside[:: max(len(inside) // max(count, 1), 1)][:count]:
        rows = slice(start, min(stop, start + length))
        latents = torch.from_numpy(dataset.rows()[rows])
        for name, control in vectors.items():
            values = dataset.labels(name)[rows]
            edited = control.apply(sae, latents, values, SHIFTS[name])
            before, after = (codec.decode(x[None])[0].cpu().numpy() for x in (latents, edited))
            moved = {other: _moved(other, before, after, codec, len(latents)) for other in vectors}
            yield Example(file.name, name, SHIFTS[name], moved, before, after)


def _moved(name: str, before: NDArray[np.float32], after: NDArray[np.float32], codec: Codec, frames: int) -> float:
    measured = properties.load(name)
    tracks = [measured.measure(audio, codec.sample_rate_hz, codec.frame_rate_hz, frames) for audio in (before, after)]
    both = tracks[0].valid & tracks[1].valid
    return float(np.median((tracks[1].values - tracks[0].values)[both])) if both.any() else float("nan")
