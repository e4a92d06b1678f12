"""nnsight and a trace capturing the same tensors of the same generation, in one process; one JSON line.

Run by ``trace_overhead.py --nnsight`` in an environment that has nnsight; without it this script says so and ends.
nnsight keeps references to the tensors in memory; a hook of ours that does the same stands beside it, and beside the
trace, which is a file, what nnsight kept saved by ``torch.save``. nnsight gets a generator of its own, so that what it
leaves on its modules slows nothing else.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.timing import against, in_turns, share
from benchmarks.trace_subjects import HIDDEN, SUBJECTS, subject, traced
from generators.base import GenerationRequest, Generator, HookPoint


class Whole(nn.Module):
    """A whole generation as one module, so that nnsight can follow every call of the denoiser in it."""

    def __init__(self, generator: Generator, request: GenerationRequest) -> None:
        super().__init__()
        self.denoiser = generator.denoiser
        self._run = lambda: generator.generate(request)

    def forward(self, nothing: Tensor) -> Tensor:
        """Generate; the result is the final latent."""
        return self._run().latents + nothing


class Keeper:
    """A hook that keeps what a trace holds, as references."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.wanted_modules = frozenset(modules)
        self.kept: list[Tensor] = []

    def wants(self, point: HookPoint) -> bool:
        """Want states, velocities and the modules."""
        return point.name in ("x_t", "velocity") or point.name in self.wanted_modules

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Keep it."""
        self.kept.append(value)


def capture(whole: nn.Module, calls: int, modules: Sequence[str]) -> list[Tensor]:
    """Keep the denoiser's state and velocity at every call, and the output of ``modules``."""
    import nnsight

    watched = nnsight.NNsight(whole)
    with torch.no_grad(), watched.trace(torch.zeros(())) as tracer:
        kept = nnsight.save([])
        for _ in tracer.iter[:calls]:
            kept.append(watched.denoiser.input)
            for path in modules:
                kept.append(watched.get(f"denoiser.{path}").output)
            kept.append(watched.denoiser.output)
    return kept


def compare(name: str, patterns: Sequence[str], rounds: int, folder: Path) -> dict[str, Any]:
    """Time every way to capture one subject's tensors, hidden states of ``patterns`` among them."""
    generator, request = subject(name)
    whole = Whole(*subject(name))
    calls = len(generator.plan(request).times) - 1
    names = [path for path, _ in generator.denoiser.named_modules()]
    modules = [path for pattern in patterns for path in fnmatch.filter(names, pattern)]
    variants: dict[str, Callable[[], object]] = {
        "bare": lambda: generator.generate(request),
        "hook": lambda: generator.generate(request, [Keeper(modules)]),
        "nnsight": lambda: capture(whole, calls, modules),
        "trace": functools.partial(traced, generator, request, folder / "trace.h5", patterns),
        "nnsight saved": lambda: torch.save(capture(whole, calls, modules), folder / "kept.pt"),
    }
    times = in_turns(variants, rounds)
    return {
        "tensors": len(capture(whole, calls, modules)),
        **against(times, "bare"),
        "in memory: hook / nnsight": share(times, "hook", "nnsight", "bare"),
        "on disk: trace / nnsight": share(times, "trace", "nnsight saved", "bare"),
        "trace on disk / nnsight in memory": share(times, "trace", "nnsight", "bare"),
    }


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subject", choices=SUBJECTS, default="mini")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where files are written; default: the temporary folder")
    arguments = parser.parse_args()
    if find_spec("nnsight") is None:
        print(json.dumps({"skipped": "nnsight is not installed here; see trace_overhead.py --nnsight"}))
        return
    import nnsight

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        tables = {
            kind: compare(arguments.subject, patterns, arguments.rounds, Path(folder))
            for kind, patterns in (("states", ()), ("states and hidden states", HIDDEN))
        }
    print(json.dumps({"version": nnsight.__version__, **tables}))


if __name__ == "__main__":
    main()
