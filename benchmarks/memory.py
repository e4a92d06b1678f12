"""Peak memory of a traced generation, against the number of steps and the length of the clip. Linux only.

    python -m benchmarks.memory [--steps 16 64 256] [--frames 256 2048 6136]

Every case runs in a process of its own; counted is the peak beyond what the process held before, after a short traced
run that loads all code. "tracing" is the difference to the same case untraced. The network does next to nothing (see
``idle.py``), for two reasons: a real codec needs minutes and much memory for a long song, which hides what tracing
holds; and steps that take no time fill the queue of what waits to be written, up to ``recording.CAPACITY_BYTES`` where
the disk or the machine is slow. Flat in the number of steps means that nothing goes beyond this. Hidden states of every
block are recorded; 2048 and 6136 frames are DiffRhythm's songs of 95 and 285 s.

glibc is told to give large pieces back when they are freed, which it else may put off.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import report

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = ("transformer_blocks.?",)
BLOCKS = 4
WIDTH = 64


def one_case(steps: int, frames: int, traced: bool, folder: Path) -> int:
    """Generate in this process; return in bytes by how much that raised its resident memory at most."""
    import torch

    from benchmarks.idle import IdleGenerator
    from benchmarks.trace_subjects import traced as trace
    from generators.base import GenerationRequest
    from generators.mini.codec import MiniCodec
    from generators.requests import RequestRules

    torch.set_num_threads(1)
    codec = MiniCodec.from_pretrained()
    seconds = (frames - 0.5) / codec.frame_rate_hz
    rules = RequestRules(seconds, num_inference_steps=steps, guidance_scale=1.0, max_duration_s=seconds)
    generator, request = IdleGenerator(codec, rules, BLOCKS, WIDTH), GenerationRequest("")
    trace(generator, GenerationRequest("", duration_s=1.0, num_inference_steps=2), folder / "short.h5", HIDDEN)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory_bytes("VmRSS")
    if traced:
        trace(generator, request, folder / "trace.h5", HIDDEN)
    else:
        generator.generate(request)
    return memory_bytes("VmHWM") - before


def memory_bytes(name: str) -> int:
    """Read resident memory (``VmRSS``) or its peak (``VmHWM``) of this process."""
    (kilobytes,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def peak_bytes(steps: int, frames: int, traced: bool, folder: Path) -> int:
    """Run one case in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--case", str(steps), str(frames), str(int(traced))]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    done = subprocess.run(
        [*command, "--folder", str(folder)], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return int(json.loads(done.stdout.splitlines()[-1]))


@functools.cache
def row(steps: int, frames: int, parent: Path | None) -> dict[str, Any]:
    """Measure one number of steps and frames."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        untraced = peak_bytes(steps, frames, False, folder)
        traced = peak_bytes(steps, frames, True, folder)
        size = (folder / "trace.h5").stat().st_size
    hidden_state = frames * WIDTH * 4
    megabytes = {
        "untraced": untraced,
        "traced": traced,
        "tracing": traced - untraced,
        "one_hidden_state": hidden_state,
        "all_hidden_states_of_a_step": hidden_state * BLOCKS * 2,
        "trace_file": size,
    }
    return {"steps": steps, "frames": frames, **{f"{name}_mb": round(n / 1e6, 1) for name, n in megabytes.items()}}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--frames", type=int, nargs="+", default=[256, 2048, 6136])
    parser.add_argument("--folder", type=Path, help="where traces are written; default: the temporary folder")
    parser.add_argument("--case", type=int, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/memory.json"))
    arguments = parser.parse_args()
    if arguments.case:
        steps, frames, traced = arguments.case
        print(one_case(steps, frames, bool(traced), arguments.folder))
        return
    few, middle = arguments.steps[0], arguments.frames[len(arguments.frames) // 2]
    result = {
        "against_steps": [row(steps, middle, arguments.folder) for steps in arguments.steps],
        "against_frames": [row(few, frames, arguments.folder) for frames in arguments.frames],
    }
    report(result, arguments.out)


if __name__ == "__main__":
    main()
