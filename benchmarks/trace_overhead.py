"""What recording every step costs: traced against untraced generation, and nnsight capturing the same tensors.

    python -m benchmarks.trace_overhead [--subjects idle mini diffrhythm-mid] [--nnsight PYTHON]

Every update is paired with the same one of the run beside it (``step_clock.py``): ``extra_percent`` is what tracing
costs of a generation. `mini` takes five minutes, ``diffrhythm-mid`` as long, ``idle`` seconds.

``idle`` has the shapes of `mini` and a network that does next to nothing, so that milliseconds of tracing show by
themselves; ``parts`` says what they are spent on. ``--nnsight`` is the interpreter of an environment that holds nnsight
and what the generators need; there nnsight and tracing are timed in one process, on ``idle`` too, see
``nnsight_capture.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.step_clock import Split, StepClock, extra
from benchmarks.timing import against, in_turns, report
from benchmarks.trace_subjects import HIDDEN, SUBJECTS, subject, traced
from benchmarks.writer import ABOUT, Step, layout, write_trace
from harness.provenance import hardware, versions
from harness.store.writer import TraceWriter

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = {"idle": 75, "mini": 75, "diffrhythm-mid": 6, "diffrhythm-tiny": 75}


def overhead(name: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Time one subject untraced, traced, and traced with hidden states."""
    generator, request = subject(name)
    path, hidden = folder / f"{name}.h5", folder / f"{name}-hidden.h5"
    variants: dict[str, Callable[[StepClock], object]] = {
        "untraced": lambda clock: generator.generate(request, [clock]),
        "traced": lambda clock: traced(generator, request, path, (), [clock]),
        "traced with hidden states": lambda clock: traced(generator, request, hidden, HIDDEN, [clock]),
    }
    splits: dict[str, list[Split]] = {variant: [] for variant in variants}

    def run(variant: str) -> None:
        clock = StepClock()
        variants[variant](clock)
        splits[variant].append(clock.stop())

    times = in_turns({variant: partial(run, variant) for variant in variants}, rounds)
    measured = {variant: found[1:] for variant, found in splits.items()}  # the first run of each warmed it up
    table: dict[str, Any] = against(times, "untraced")
    for variant, row in extra(measured, "untraced").items():
        table[variant] |= row
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


def nnsight(python: Path, rounds: int, threads: int, folder: Path) -> dict[str, Any]:
    """Run ``nnsight_capture.py`` on ``idle`` in the other environment."""
    options = {"--subject": "idle", "--rounds": rounds, "--threads": threads, "--folder": folder}
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
    parser.add_argument("--rounds", type=int, help="instead of those in ROUNDS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nnsight", type=Path, metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="where traces are written; default: the temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trace_overhead.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"versions": versions(), "hardware": hardware()}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        for name in arguments.subjects:
            rounds = arguments.rounds or ROUNDS[name]
            result[name] = {"rounds": rounds, **overhead(name, rounds, folder)}
            if name == "idle":
                traced_ms = result[name]["traced"]["cpu_extra_ms"]
                result[name]["parts_cpu_ms"] = parts(traced_ms, rounds, folder)
                if arguments.nnsight:
                    captured = nnsight(arguments.nnsight, rounds, arguments.threads, folder)
                    result[name]["beside nnsight"] = captured
    report({**result, "load_average": os.getloadavg()}, arguments.out)


if __name__ == "__main__":
    main()
