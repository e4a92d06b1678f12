"""Trace a song of 285 s in a process of its own; print by how much that raised the peak memory, in bytes.

Only the sampler runs: what the network's blocks would give is shown to the tracer directly.

    python long_song.py FOLDER WIDTH
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from generators.base import Branch, Generation, GenerationRequest, HookPoint, StepHook
from generators.codecs.closed_form import ClosedFormCodec
from generators.diffrhythm import DiffRhythmGenerator
from generators.noise import starting_noise
from generators.sampling import classifier_free, euler_sample
from generators.tap import emit
from harness.tracing import Tracer

FRAMES, BLOCKS, STEPS = 6136, 4, 5
CONFIG = {"dim": 64, "depth": BLOCKS, "text_dim": 8, "cond_dim": 8, "conv_layers": 0, "max_frames": FRAMES}


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sample(generator: DiffRhythmGenerator, request: GenerationRequest, width: int, hooks: Sequence[StepHook]) -> Tensor:
    plan = generator.plan(request)

    def velocity(x: Tensor, step: int, t: float, branches: tuple[Branch, ...]) -> tuple[Tensor, ...]:
        for branch in branches:
            for block in range(BLOCKS):
                output = torch.full((1, FRAMES, width), float(step))
                emit(hooks, HookPoint(f"transformer_blocks.{block}", step, t, branch), output)
        return tuple(torch.sin(x) for _ in branches)

    noise = starting_noise([0], plan.frames, plan.channels)
    return euler_sample(velocity, noise, plan.times, branches=plan.branches, guide=classifier_free(4.0), hooks=hooks)


def main() -> None:
    folder, width = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    generator = DiffRhythmGenerator.random(CONFIG, ClosedFormCodec(), seed=0)
    request = GenerationRequest("", num_inference_steps=STEPS)
    audio = torch.zeros(1, 1000).numpy()

    def trace(name: str, hidden: tuple[str, ...]) -> None:
        with Tracer(
            generator, [request], [folder / name], hidden=hidden, hidden_dtype="float32", hidden_stride=1
        ) as tracer:
            final = sample(generator, request, width, [tracer])
            tracer.finish([Generation(audio, generator.codec.sample_rate_hz, final[0], generator.resolve(request))])

    sample(generator, request, width, [])
    before = peak_bytes()
    trace("trace.h5", ("transformer_blocks.?",))
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()
