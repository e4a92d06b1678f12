"""Time to decode one trace of ``mini``: three properties, both views, the stored result, curves with their intervals.

    python -m benchmarks.decode [--steps 32] [--duration 5] [--out benchmarks/results/decode.json]

Imports and loading are not counted: a trace is generated first and decoded ``--repeats`` times. Processor seconds are
over all threads; on a busy machine they hold where wall time does not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.timing import report
from generators.base import GenerationRequest
from harness import provenance
from harness.decoding.artifacts import Artifacts, latents_of, require_shipped
from harness.decoding.decode import decode
from harness.decoding.emergence import measure
from harness.decoding.storage import store
from harness.models import load_generator
from harness.pipeline import run
from harness.runs import TRACE
from harness.store.reader import Trace, open_trace


def timed(repeats: int, stages: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Smallest wall and processor time of ``repeats`` runs, and the stages of the fastest."""
    best: dict[str, float] = {}
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        parts = stages()
        found = {"wall_s": time.perf_counter() - wall, "processor_s": time.process_time() - processor, **parts}
        if not best or found["processor_s"] < best["processor_s"]:
            best = found
    return {name: round(seconds, 3) for name, seconds in best.items()}


def decode_once(trace: Trace, artifacts: Artifacts) -> dict[str, float]:
    """Decode, store and measure a trace; processor seconds of each."""
    marks = [time.process_time()]
    decoded = decode(trace, artifacts)
    marks.append(time.process_time())
    store(trace, decoded)
    marks.append(time.process_time())
    measure(decoded)
    marks.append(time.process_time())
    return {f"{name}_processor_s": marks[i + 1] - marks[i] for i, name in enumerate(("decode", "store", "curves"))}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=32, help="updates of the trace")
    parser.add_argument("--duration", type=float, default=5.0, help="its length in seconds")
    parser.add_argument("--repeats", type=int, default=5, help="times it is decoded; the fastest counts")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decode.json"))
    arguments = parser.parse_args()
    request = GenerationRequest(
        "a gentle bright flute melody", duration_s=arguments.duration, num_inference_steps=arguments.steps
    )
    with tempfile.TemporaryDirectory() as folder:
        run(load_generator("mini"), [request], folder, trace=True)
        with open_trace(Path(folder) / TRACE) as trace:
            artifacts = require_shipped(latents_of(trace))
            result = {
                "states": len(trace.x_t),
                "frames": trace.x_t.shape[1],
                "artifacts": artifacts.describe(),
                **timed(arguments.repeats, lambda: decode_once(trace, artifacts)),
                "threads": torch.get_num_threads(),
                "hardware": provenance.hardware(),
            }
    report(result, arguments.out)


if __name__ == "__main__":
    main()
