"""What recording every step costs: traced against untraced generation, and nnsight capturing the same tensors.

    python -m benchmarks.trace_overhead [--subjects idle mini diffrhythm-mid] [--rounds 31] [--nnsight PYTHON]

``idle`` has the shapes of `mini` and a network that does next to nothing, so that milliseconds of tracing show by
themselves; ``parts`` says what they are spent on. ``--nnsight`` is the interpreter of an environment that holds nnsight
and what the generators need; there nnsight and tracing are timed in one process, see ``nnsight_capture.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import against, in_turns, report
from benchmarks.trace_subjects import HIDDEN, SUBJECTS, subject, traced
from benchmarks.writer import ABOUT, Step, layout, write_trace
from harness.provenance import hardware, versions
from harness.store.writer import TraceWriter

ROOT = Path(__file__).resolve().parent.parent


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


def parts(whole_ms: float, rounds: int, folder: Path) -> dict[str, float]:
    """Split CPU milliseconds of tracing ``idle`` into laying out the file, writing to it, and all the rest."""
    generator, request = subject("idle")
    shapes = layout(generator.plan(request).frames, 0, 0)
    step, path = Step(shapes), folder / "parts.h5"
    variants: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "laid out": lambda: TraceWriter(path, shapes, ABOUT, force=True).close(),
        "written": lambda: write_trace(path, shapes, step),
    }
    table = against(in_turns(variants, rounds), "nothing")
    laid_out_ms, written_ms = (table[name]["cpu_extra_ms"] for name in ("laid out", "written"))
    spent = {
        "laying out the file": laid_out_ms,
        "writing states and velocities": written_ms - laid_out_ms,
        "looking, copying, handing over": whole_ms - written_ms,
    }
    return {name: round(milliseconds, 2) for name, milliseconds in spent.items()}


def nnsight(python: Path, name: str, rounds: int, threads: int, folder: Path) -> dict[str, Any]:
    """Run ``nnsight_capture.py`` in the other environment."""
    options = {"--subject": name, "--rounds": rounds, "--threads": threads, "--folder": folder}
    words = [str(word) for option in options.items() for word in option]
    command = [str(python), "-m", "benchmarks.nnsight_capture", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=["idle", "mini", "diffrhythm-mid"])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nnsight", type=Path, metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="where traces are written; default: the temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trace_overhead.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"versions": versions(), "hardware": hardware(), "rounds": arguments.rounds}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        for name in arguments.subjects:
            result[name] = overhead(name, arguments.rounds, folder)
            if name == "idle":
                traced_ms = result[name]["traced"]["cpu_extra_ms"]
                result[name]["parts_cpu_ms"] = parts(traced_ms, arguments.rounds, folder)
            if arguments.nnsight:
                captured = nnsight(arguments.nnsight, name, arguments.rounds, arguments.threads, folder)
                result[name]["beside nnsight"] = captured
    report({**result, "load_average": os.getloadavg()}, arguments.out)


if __name__ == "__main__":
    main()
