"""The generators that tracing is timed on."""

from __future__ import annotations

from generators.base import GenerationRequest, Generator
from generators.diffrhythm import DiffRhythmGenerator
from generators.mini.codec import MiniCodec
from generators.mini.generator import MiniGenerator

SUBJECTS = ("mini", "diffrhythm-mid", "diffrhythm-tiny")
HIDDEN = ("transformer_blocks.?",)
"""Hidden states captured: the output of every block."""


def subject(name: str) -> tuple[Generator, GenerationRequest]:
    """Make one of ``SUBJECTS``, and what it is to generate."""
    if name == "mini":
        return MiniGenerator.from_pretrained(), GenerationRequest("a gentle bright flute melody", seed=1)
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
