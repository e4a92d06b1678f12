"""What recording every step costs: traced against untraced generation, and nnsight capturing the same tensors.

    python -m benchmarks.trace_overhead [--subjects mini diffrhythm-mid] [--rounds 9] [--nnsight PYTHON]

``--nnsight`` is the interpreter of an environment that holds nnsight and what the generators need; it is timed
in a process of its own, each against its own bare run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import against, in_turns, report
from benchmarks.trace_subjects import HIDDEN, SUBJECTS, subject
from generators.base import GenerationRequest, Generator
from harness.provenance import hardware, versions
from harness.tracing import Tracer

ROOT = Path(__file__).resolve().parent.parent


def traced(generator: Generator, request: GenerationRequest, path: Path, hidden: Sequence[str]) -> None:
    """Generate and record; hidden states unconverted, as nnsight keeps them."""
    with Tracer(generator, [request], [path], hidden=hidden, hidden_dtype="float32", force=True, yes=True) as tracer:
        tracer.finish(generator.generate_batch([request], [tracer]))


def overhead(name: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Time one subject untraced, traced, and traced with hidden states."""
    generator, request = subject(name)
    path, hidden = folder / f"{name}.h5", folder / f"{name}-hidden.h5"
    variants: dict[str, Callable[[], object]] = {
        "untraced": lambda: generator.generate(request),
        "traced": lambda: traced(generator, request, path, ()),
        "traced with hidden states": lambda: traced(generator, request, hidden, HIDDEN),
    }
    table: dict[str, Any] = {**against(in_turns(variants, rounds), "untraced")}
    table["trace_bytes"] = path.stat().st_size
    table["trace_bytes_with_hidden_states"] = hidden.stat().st_size
    return table


def nnsight(python: Path, name: str, rounds: int, threads: int) -> dict[str, Any]:
    """Run ``nnsight_capture.py`` in the other environment."""
    command = [python, "-m", "benchmarks.nnsight_capture", "--subject", name, "--rounds", rounds, "--threads", threads]
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def share(ours: dict[str, Any], theirs: dict[str, Any], clock: str) -> dict[str, float]:
    """Give our overhead as a share of nnsight's; below 0.2 is the goal."""
    pairs = {"traced": "nnsight", "traced with hidden states": "nnsight with hidden states"}
    return {
        own: round((ours[own][clock] - 1) / (theirs[other][clock] - 1), 4)
        for own, other in pairs.items()
        if other in theirs and theirs[other][clock] > 1
    }


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=["mini", "diffrhythm-mid"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nnsight", type=Path, metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="where traces are written; default: the temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trace_overhead.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"versions": versions(), "hardware": hardware(), "rounds": arguments.rounds}
    for name in arguments.subjects:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            result[name] = overhead(name, arguments.rounds, Path(folder))
        if arguments.nnsight:
            theirs = nnsight(arguments.nnsight, name, arguments.rounds, arguments.threads)
            result[name]["nnsight"] = theirs
            result[name]["share of nnsight's overhead"] = {
                clock: share(result[name], theirs, clock) for clock in ("wall_ratio", "cpu_ratio")
            }
    report(result, arguments.out)


if __name__ == "__main__":
    main()
