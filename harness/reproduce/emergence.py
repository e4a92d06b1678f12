"""Emergence curves over a list of prompts, decoded by a study's own SAE and probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from generators.base import GenerationRequest, Generator
from generators.codecs.base import Codec
from harness.decoding.artifacts import Artifacts
from harness.decoding.decode import Decoded, decode
from harness.decoding.emergence import Curves, Emergence
from harness.decoding.storage import read_decoded, store
from harness.errors import InputError
from harness.pipeline import Progress, run
from harness.reproduce.estimate import timed
from harness.reproduce.prompts import built_in
from harness.reproduce.workspace import Workspace
from harness.store.reader import open_trace

STEP_DECODED_BYTES = 2 * 2 * (66 + 20 + 20)
"""What is decoded of a frame at one step: half-precision probabilities of all classes, in both views."""
CHUNK = 8
"""Prompts generated at a time; what is lost when a study is interrupted."""


def require_same_codec(generator: Generator, codec: Codec) -> None:
    """Raise ``InputError`` unless the generator makes latents of ``codec``."""
    theirs = generator.codec
    if (theirs.id, theirs.weights_sha256) != (codec.id, codec.weights_sha256):
        raise InputError(
            f"the generator {generator.id!r} makes latents of the codec {theirs.id!r}, the study is of {codec.id!r}; "
            "give that codec, or leave --generator out"
        )


def measure_runs(generator: Generator, prompts: int) -> tuple[float, int]:
    """Estimate seconds and bytes of recording this many prompts, from two runs of two and four steps."""
    requests = [GenerationRequest(prompt=built_in(1)[0], num_inference_steps=steps) for steps in (2, 4)]
    two_s, four_s = (timed(partial(generator.generate, request)) for request in requests)
    plan = generator.plan(generator.resolve(GenerationRequest(prompt=built_in(1)[0])))
    steps = len(plan.times) - 1
    state_bytes = 4 * plan.frames * plan.channels
    run_bytes = state_bytes * (steps * (1 + len(plan.branches)) + 1) + STEP_DECODED_BYTES * steps * plan.frames
    return prompts * (two_s + max(four_s - two_s, 0) / 2 * (steps - 2)), prompts * run_bytes


def emergence(
    workspace: Workspace,
    load: Callable[[], Generator],
    prompts: Sequence[str],
    artifacts: Artifacts,
    progress: Progress | None = None,
) -> Curves:
    """Generate every prompt with a seed of its own, decode every step, and put all runs together.

    Finished chunks of runs, and decodes by the same artifacts, are taken from the workspace.
    """
    together, generator = Emergence(), None
    for start in range(0, len(prompts), CHUNK):
        folder = workspace.home / "runs" / f"{start // CHUNK:03d}"
        if not workspace.has(f"runs/{folder.name}"):
            generator = generator or load()
            requests = [
                GenerationRequest(prompt=prompt, seed=start + index)
                for index, prompt in enumerate(prompts[start : start + CHUNK])
            ]
            results = run(generator, requests, folder, trace=True, force=True)
            traces = [str(result.trace.relative_to(workspace.home)) for result in results if result.trace]
            workspace.keep(f"runs/{folder.name}", traces)
        for index, name in enumerate(workspace.read(f"runs/{folder.name}")):
            together.add(_decoded(workspace.home / name, artifacts), name)
            if progress is not None:
                progress("emergence", start + index + 1, len(prompts))
    return together.curves()


def _decoded(path: Path, artifacts: Artifacts) -> Decoded:
    with open_trace(path) as trace:
        found = read_decoded(trace)
        if found is None or found.artifacts != artifacts.describe():
            found = decode(trace, artifacts)
            store(trace, found)
        return found
