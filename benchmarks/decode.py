"""Time to decode one trace of ``mini``: three properties, both views, the stored result, curves with their intervals.

    python -m benchmarks.decode [--steps 32] [--duration 5] [--out benchmarks/results/decode.json]

Imports and loading are not counted: a trace is generated first and decoded ``--repeats`` times. Where nothing is
shipped for the codec (and none is given by ``--sae`` and ``--probes``), an untrained SAE and probes of the shipped
shapes stand in: the arithmetic is the same. Processor seconds are over all threads; on a busy machine they hold where
wall time does not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from analysis import properties
from analysis.probes import Probe, ProbeInfo
from analysis.sae.base import build
from analysis.sae.config import SAEConfig
from analysis.source import Source
from generators.base import GenerationRequest
from harness import provenance
from harness.decoding.artifacts import VIEWS, Artifacts, latents_of, read_artifacts, shipped_artifacts
from harness.decoding.decode import decode
from harness.decoding.emergence import measure
from harness.decoding.storage import store
from harness.models import load_generator
from harness.pipeline import run
from harness.store.reader import Trace, open_trace

PROPERTIES = ("pitch", "loudness", "timbre")
D_SAE, K = 2048, 32
LEVELS = {"pitch": (), "loudness": (-80.0, 0.0), "timbre": (-2.0, 2.0)}
"""Values that span the stand-in probes' classes."""


def stand_in(source: Source) -> Artifacts:
    """Make an untrained SAE and probes of the shapes that are shipped."""
    sae = build(SAEConfig("topk", source.d_in, D_SAE, k=K), source).requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    probes = {}
    for name in PROPERTIES:
        measured = properties.load(name)
        bins = measured.bins(LEVELS[name])
        info = ProbeInfo(name, measured.unit, measured.tolerance, bins, source, sae.sha256)
        weights = torch.randn(1, D_SAE, bins.count, generator=random)
        probes[name] = Probe(info, weights, torch.zeros(1, bins.count))
    return Artifacts(sae, probes, {view: {} for view in VIEWS})


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
    parser = argparse.ArgumentParser(description="Time to decode one trace of mini.")
    parser.add_argument("--steps", type=int, default=32, help="updates of the trace")
    parser.add_argument("--duration", type=float, default=5.0, help="its length in seconds")
    parser.add_argument("--repeats", type=int, default=5, help="times it is decoded; the fastest counts")
    parser.add_argument("--sae", type=Path, help="SAE folder to use instead of the shipped one")
    parser.add_argument("--probes", type=Path, help="probes to use instead of the shipped ones")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    request = GenerationRequest(
        "a gentle bright flute melody", duration_s=arguments.duration, num_inference_steps=arguments.steps
    )
    with tempfile.TemporaryDirectory() as folder:
        run(load_generator("mini"), [request], folder, trace=True)
        with open_trace(Path(folder) / "trace.h5") as trace:
            source = latents_of(trace)
            given = arguments.probes and read_artifacts(source, arguments.probes, arguments.sae)
            found = given or shipped_artifacts(source)
            artifacts = found or stand_in(source)
            result = {
                "states": len(trace.x_t),
                "frames": trace.x_t.shape[1],
                "artifacts": artifacts.describe() if found else f"untrained stand-in, {D_SAE} features, k {K}",
                **timed(arguments.repeats, lambda: decode_once(trace, artifacts)),
                "threads": torch.get_num_threads(),
                "hardware": provenance.hardware(),
            }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
