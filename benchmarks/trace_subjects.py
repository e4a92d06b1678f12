"""The generators that tracing is timed on, and how they are traced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.idle import IdleGenerator
from generators.base import GenerationRequest, Generator, StepHook
from generators.diffrhythm import DiffRhythmGenerator
from generators.mini.codec import MiniCodec
from generators.mini.generator import MiniGenerator
from harness.tracing import Tracer

SUBJECTS = ("mini", "diffrhythm-mid", "diffrhythm-tiny", "idle")
HIDDEN = ("transformer_blocks.?",)
"""Hidden states captured: the output of every block."""


def subject(name: str) -> tuple[Generator, GenerationRequest]:
    """Make one of ``SUBJECTS``, and what it is to generate."""
    if name == "mini":
        return MiniGenerator.from_pretrained(), GenerationRequest("a gentle bright flute melody", seed=1)
    if name == "idle":  # the shapes of mini
        generator = MiniGenerator.from_pretrained()
        sizes = generator.denoiser.config
        idle = IdleGenerator(generator.codec, generator.rules, sizes["depth"], sizes["dim"])
        return idle, GenerationRequest("", seed=1)
    width, depth, seconds = {"diffrhythm-mid": (384, 8, 12.0), "diffrhythm-tiny": (64, 2, 2.0)}[name]
    config = {
        "dim": width,
        "depth": depth,
        "heads": width // 32,
        "text_dim": 128,
        "cond_dim": 128,
        "conv_layers": 2,
        "text_num_embeds": 64,
        "max_frames": 1024,
    }
    generator = DiffRhythmGenerator.random(config, MiniCodec.from_pretrained(), seed=0)
    return generator, GenerationRequest("anything", seed=1, duration_s=seconds, num_inference_steps=31)


def traced(
    generator: Generator, request: GenerationRequest, path: Path, hidden: Sequence[str], hooks: Sequence[StepHook] = ()
) -> None:
    """Generate and record after ``hooks``; hidden states unconverted, as nnsight keeps them."""
    with Tracer(generator, [request], [path], hidden=hidden, hidden_dtype="float32", force=True, yes=True) as tracer:
        tracer.finish(generator.generate_batch([request], [*hooks, tracer]))
