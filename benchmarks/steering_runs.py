"""Measured generations of ``mini`` for ``benchmarks.steering``, each kept in a file: a stopped study goes on there."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.steering import ClipMeasures
from benchmarks.mini_quality import classifier, describe
from generators.base import GenerationRequest
from generators.mini.generator import MiniGenerator
from harness import shipped
from harness.doctor import MANIFEST
from harness.files import whole
from harness.interventions import to_json
from harness.interventions.base import Intervention
from harness.steering.outcome import Outcome, generate_outcomes

Array = NDArray[np.float32]
TRACK = "track_"
"""Before the name of a property's track in a file."""


class KeptRuns:
    """Processes that generate, each with a generator of its own; what is in ``folder`` already is read instead.

    A file is named after the weights, the shipped artifacts, the resolved request and the edits. It does not know the
    code: after a change of what generates, edits or measures, take another folder.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, request: GenerationRequest, edits: Sequence[Intervention]) -> Future[Outcome]:
        """Generate and measure one request under ``edits``, or read what came of it."""
        return self._pool.submit(_outcome, self._folder, request, tuple(edits))

    def outcomes(self, requests: Sequence[GenerationRequest], edits: Sequence[Intervention]) -> list[Outcome]:
        """Generate and measure every request."""
        return [pending.result() for pending in [self.submit(request, edits) for request in requests]]

    def classifier(self, clips: int) -> Future[Any]:
        """Fit the classifier of instruments on renders, in one of the processes."""
        return self._pool.submit(_classifier, clips)

    def descriptions(self, outcomes: Sequence[Outcome]) -> list[Array]:
        """Decode every outcome and describe its sound for the classifier."""
        return [pending.result() for pending in [self._pool.submit(_description, o.latents) for o in outcomes]]


@functools.cache
def _generator() -> MiniGenerator:
    return MiniGenerator.from_pretrained()


def _classifier(clips: int) -> Any:
    return classifier(_generator(), clips)[0]


def _description(latents: Array) -> Array:
    with torch.inference_mode():
        return describe(_generator().codec.decode(torch.from_numpy(latents)[None])[0, 0].numpy())


def _outcome(folder: Path, request: GenerationRequest, edits: Sequence[Intervention]) -> Outcome:
    generator = _generator()
    path = folder / f"{_name(generator, request, edits)}.npz"
    if not path.is_file():
        (made,) = generate_outcomes(generator, [request], edits)
        _write(made, path)
    return _read(path)


def _name(generator: MiniGenerator, request: GenerationRequest, edits: Sequence[Intervention]) -> str:
    manifests = sorted((shipped.HOME / "mini").rglob(MANIFEST))
    about = {
        "weights_sha256": generator.weights_sha256,
        "shipped": [path.read_text(encoding="utf-8") for path in manifests],
        "request": asdict(generator.resolve(request)),
        "edits": [to_json(edit) for edit in edits],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def _write(outcome: Outcome, path: Path) -> None:
    measures = outcome.measures
    tracks = {TRACK + name: values for name, values in measures.values.items()}
    others = {field.name: getattr(measures, field.name) for field in fields(measures) if field.name != "values"}
    with whole(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            run=outcome.run,
            latents=outcome.latents,
            relative_norms=outcome.relative_norms,
            **tracks,
            **others,
        )


def _read(path: Path) -> Outcome:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    tracks = {key.removeprefix(TRACK): arrays.pop(key) for key in list(arrays) if key.startswith(TRACK)}
    run, latents, norms = str(arrays.pop("run")), arrays.pop("latents"), arrays.pop("relative_norms")
    plain = {key: value if value.ndim else value.item() for key, value in arrays.items()}
    return Outcome(run, ClipMeasures(values=tracks, **plain), latents, norms)
