"""nnsight capturing what a trace holds, timed against the same generation without it; one JSON line.

Run by ``trace_overhead.py --nnsight`` in an environment that has nnsight; without it this script says so and ends.
Nothing is written to disk: the tensors only have to be kept in memory, which favours nnsight.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from benchmarks.timing import against, in_turns
from benchmarks.trace_subjects import HIDDEN, SUBJECTS, subject
from generators.base import GenerationRequest, Generator


class Whole(nn.Module):
    """A whole generation as one module, so that nnsight can follow every call of the denoiser in it."""

    def __init__(self, generator: Generator, request: GenerationRequest) -> None:
        super().__init__()
        self.denoiser = generator.denoiser
        self._run = lambda: generator.generate(request)

    def forward(self, nothing: Tensor) -> Tensor:
        """Generate; the result is the final latent."""
        return self._run().latents + nothing


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


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subject", choices=SUBJECTS, default="mini")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if find_spec("nnsight") is None:
        print(json.dumps({"skipped": "nnsight is not installed here; see trace_overhead.py --nnsight"}))
        return
    import nnsight

    torch.set_num_threads(arguments.threads)
    generator, request = subject(arguments.subject)
    calls = len(generator.plan(request).times) - 1
    names = [name for name, _ in generator.denoiser.named_modules()]
    blocks = [name for pattern in HIDDEN for name in fnmatch.filter(names, pattern)]
    whole = Whole(generator, request)
    counts = {"nnsight": len(capture(whole, calls, [])), "with blocks": len(capture(whole, calls, blocks))}
    variants = {
        "bare": lambda: generator.generate(request),
        "nnsight": lambda: capture(whole, calls, []),
        "nnsight with hidden states": lambda: capture(whole, calls, blocks),
    }
    table = against(in_turns(variants, arguments.rounds), "bare")
    print(json.dumps({"version": nnsight.__version__, "captured": counts, **table}))


if __name__ == "__main__":
    main()
