"""How fast traces are written, against writing the same bytes to a plain file one after another.

    python -m benchmarks.writer [--rounds 9] [--folder DIR]

Both end with an fsync, which the writer itself does not do, so that the disk and not only the page cache is timed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import against, in_turns, report
from harness.provenance import hardware, versions
from harness.store.format import HiddenLayout, Layout, Metadata
from harness.store.writer import TraceWriter

STEPS = 32
HIDDEN_NAME = "transformer_blocks.{}"


def layout(frames: int, blocks: int, width: int) -> Layout:
    """Shapes of one trace with ``blocks`` hidden states ``[frames, width]`` a step."""
    hidden = HiddenLayout("", tuple(range(STEPS)), (frames, width), "float16")
    return Layout(
        times=tuple(k / STEPS for k in range(STEPS + 1)),
        frames=frames,
        channels=64,
        branches=("cond", "uncond"),
        dtype="float32",
        audio_channels=1,
        audio_samples=frames * 1024,
        hidden=tuple(HiddenLayout(**{**vars(hidden), "name": HIDDEN_NAME.format(i)}) for i in range(blocks)),
    )


CASES = {
    "5 s clip": layout(108, 0, 0),
    "95 s clip": layout(2048, 0, 0),
    "95 s clip, 4 hidden states": layout(2048, 4, 1024),
}
ABOUT = Metadata("", "", "", "", "", "", 21.5, 22050, 0, "float32", {}, {}, ({},), 0, {}, {})


class Step:
    """One step's arrays; every step writes the same ones."""

    def __init__(self, layout: Layout) -> None:
        random = np.random.default_rng(0)
        self.state = random.standard_normal((layout.frames, layout.channels)).astype(np.float32)
        self.velocity = np.stack([self.state] * len(layout.velocities))
        self.hidden = {
            module.name: random.standard_normal((len(layout.branches), *module.shape)).astype(np.float16)
            for module in layout.hidden
        }

    def parts(self) -> Iterator[np.ndarray[Any, Any]]:
        """Everything in the order in which it is written."""
        yield from self.hidden.values()
        yield self.velocity
        yield self.state


def write_trace(path: Path, layout: Layout, step: Step) -> None:
    """Write one trace from its creation to its last state, replacing the file."""
    writer = TraceWriter(path, layout, ABOUT, force=True)
    for k in range(STEPS):
        for name, outputs in step.hidden.items():
            for branch, values in enumerate(outputs):
                writer.write_hidden(k, name, branch, values)
        writer.write_step(k, step.state, step.velocity)
    writer.write_final(step.state)
    writer.close()


def write_raw(path: Path, step: Step) -> None:
    """Write the same bytes in sequence to a new file."""
    path.unlink(missing_ok=True)
    with path.open("wb", buffering=0) as file:
        for _ in range(STEPS):
            for part in step.parts():
                file.write(part.data)
        file.write(step.state.data)


def durably(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file and wait until the disk has it."""
    write(path)
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where files are written; default: the temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/writer.json"))
    arguments = parser.parse_args()
    result: dict[str, Any] = {"versions": versions(), "hardware": hardware(), "rounds": arguments.rounds}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name, shapes in CASES.items():
            step = Step(shapes)
            size = sum(part.nbytes for part in step.parts()) * STEPS + step.state.nbytes
            trace, raw = Path(folder) / "trace.h5", Path(folder) / "raw"
            variants = {
                "raw": partial(durably, raw, partial(write_raw, step=step)),
                "trace": partial(durably, trace, partial(write_trace, layout=shapes, step=step)),
            }
            table = against(in_turns(variants, arguments.rounds), "raw")
            speeds = {f"{kind}_mb_per_s": round(size / 1e6 / table[kind]["wall_s"], 1) for kind in table}
            result[name] = {"bytes": size, **speeds, **table}
    report({**result, "load_average": os.getloadavg()}, arguments.out)


if __name__ == "__main__":
    main()
