"""A process that forks one traced generation per line ``PATH STEPS`` on its input, so that each can be killed.

Forking after the imports makes 50 kills a matter of seconds. Prints the child's process id; after the next line of
input, which says that nobody will send signals to that id any more, its exit status.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from generators.base import GenerationRequest
from generators.closed_form import ClosedFormGenerator
from harness.tracing import Tracer


def generate(generator: ClosedFormGenerator, path: Path, steps: int) -> None:
    request = GenerationRequest("", seed=7, num_inference_steps=steps, guidance_scale=1.5)
    with Tracer(generator, [request], [path], hidden=["mean"], hidden_every=2, force=True) as tracer:
        tracer.finish(generator.generate_batch([request], [tracer]))


def main() -> None:
    torch.set_num_threads(1)
    generator = ClosedFormGenerator.from_pretrained()
    print("ready", flush=True)
    while line := sys.stdin.readline():
        path, steps = line.rsplit(maxsplit=1)
        child = os.fork()
        if child == 0:
            generate(generator, Path(path), int(steps))
            os._exit(0)
        print(child, flush=True)
        sys.stdin.readline()
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
