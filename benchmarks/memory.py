"""Peak memory of a traced generation, against the number of steps and the length of the clip.

    python -m benchmarks.memory [--steps 16 64 256] [--frames 256 2048 6136]

Every case runs in a process of its own; "tracing" is the difference to the same case untraced. Steps are long and cheap
(a narrow network), so that records wait in memory if anything lets them. Hidden states of every block are recorded;
2048 and 6136 frames are DiffRhythm's songs of 95 and 285 s.
"""

from __future__ import annotations

import argparse
import json
import resource
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
    """Generate once in this process; return its peak resident memory in bytes."""
    import torch

    from generators.base import GenerationRequest
    from generators.diffrhythm import DiffRhythmGenerator
    from generators.mini.codec import MiniCodec
    from harness.tracing import Tracer

    torch.set_num_threads(1)
    sizes = {"dim": WIDTH, "depth": BLOCKS, "ff_mult": 1, "heads": 2, "text_dim": 64, "cond_dim": 64, "conv_layers": 0}
    config = {**sizes, "max_frames": 6200}
    generator = DiffRhythmGenerator.random({**config, "text_num_embeds": 8}, MiniCodec.from_pretrained(), seed=0)
    seconds = (frames - 0.5) / generator.codec.frame_rate_hz
    request = GenerationRequest("", duration_s=seconds, num_inference_steps=steps)
    if traced:
        with Tracer(generator, [request], [folder / "trace.h5"], hidden=HIDDEN, hidden_dtype="float32") as tracer:
            tracer.finish(generator.generate_batch([request], [tracer]))
    else:
        generator.generate(request)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_bytes(steps: int, frames: int, traced: bool, folder: Path) -> int:
    """Run one case in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--case", str(steps), str(frames), str(int(traced))]
    done = subprocess.run([*command, "--folder", str(folder)], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def table(cases: list[tuple[int, int]], parent: Path | None) -> list[dict[str, Any]]:
    """Measure (steps, frames) pairs."""
    rows = []
    for steps, frames in cases:
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
        rows.append(
            {"steps": steps, "frames": frames, **{f"{name}_mb": round(n / 1e6, 1) for name, n in megabytes.items()}}
        )
    return rows


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
    middle = arguments.frames[len(arguments.frames) // 2]
    result = {
        "against_steps": table([(steps, middle) for steps in arguments.steps], arguments.folder),
        "against_frames": table([(arguments.steps[0], frames) for frames in arguments.frames], arguments.folder),
    }
    report(result, arguments.out)


if __name__ == "__main__":
    main()
