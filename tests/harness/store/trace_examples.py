"""Whole layouts, metadata and contents of traces, drawn by Hypothesis, and files filled with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from harness.store.format import DTYPES, HiddenLayout, Layout, Metadata
from harness.store.writer import TraceWriter

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), plain, max_size=4)
words = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20)
module_names = st.from_regex(r"[a-z_]{1,12}(\.[a-z0-9_]{1,8}){0,3}", fullmatch=True)


@st.composite
def hidden_layouts(draw: st.DrawFn, name: str, steps: int, frames: int) -> HiddenLayout:
    every = draw(st.integers(1, 3))
    stride = draw(st.integers(1, 3))
    inner = draw(st.lists(st.integers(1, 4), max_size=2))
    on_frames = bool(inner) and draw(st.booleans())
    if on_frames:
        inner[0] = len(range(0, frames, stride))
    return HiddenLayout(
        name=name,
        steps=tuple(range(0, steps, every)),
        shape=(*inner, draw(st.integers(1, 5))),
        dtype=draw(st.sampled_from(["float16", "float32"])),
        stride=stride if inner else 1,
        frames=on_frames,
    )


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    inner = draw(st.lists(st.floats(0.001, 0.999), max_size=5, unique=True))
    times = (0.0, *sorted(inner), 1.0)
    frames = draw(st.integers(1, 7))
    names = draw(st.lists(module_names, max_size=3, unique=True))
    return Layout(
        times=times,
        frames=frames,
        channels=draw(st.integers(1, 5)),
        branches=draw(st.sampled_from([("cond",), ("cond", "uncond")])),
        dtype=draw(st.sampled_from(DTYPES)),
        audio_channels=draw(st.integers(1, 2)),
        audio_samples=draw(st.integers(1, 50)),
        hidden=tuple(draw(hidden_layouts(name, len(times) - 1, frames)) for name in names),
    )


@st.composite
def metadata(draw: st.DrawFn) -> Metadata:
    batch = draw(st.lists(objects, min_size=1, max_size=3))
    index = draw(st.integers(0, len(batch) - 1))
    return Metadata(
        run_id=draw(words),
        created=draw(words),
        generator_id=draw(words),
        weights_sha256=draw(words),
        codec_id=draw(words),
        codec_weights_sha256=draw(words),
        frame_rate_hz=draw(st.floats(0.1, 1e3)),
        sample_rate_hz=draw(st.integers(1, 10**6)),
        seed=draw(st.integers(0, 2**63 - 1)),
        source_dtype=draw(st.sampled_from(["float32", "bfloat16"])),
        request=batch[index],
        sampler=draw(objects),
        batch=tuple(batch),
        batch_index=index,
        versions=draw(objects),
        hardware=draw(objects),
        extra=draw(objects),
    )


SMALL = Layout(
    times=(0.0, 0.25, 0.5, 0.75, 1.0),
    frames=6,
    channels=3,
    branches=("cond", "uncond"),
    dtype="float32",
    audio_channels=2,
    audio_samples=40,
    hidden=(HiddenLayout("blocks.0.attn", (0, 2), (3, 5), "float16", stride=2),),
)
ABOUT = Metadata(
    run_id="run",
    created="2024-01-01T00:00:00+00:00",
    generator_id="gen",
    weights_sha256="00",
    codec_id="codec",
    codec_weights_sha256="11",
    frame_rate_hz=21.5,
    sample_rate_hz=22050,
    seed=3,
    source_dtype="float32",
    request={"prompt": "x", "seed": 3},
    sampler={"solver": "euler"},
    batch=({"prompt": "x", "seed": 3},),
    batch_index=0,
    versions={},
    hardware={},
)


class Content:
    """Random numbers for every dataset of a layout."""

    def __init__(self, layout: Layout, seed: int = 0) -> None:
        random = np.random.default_rng(seed)

        def draw(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
            return random.standard_normal(shape).astype(dtype)

        inner = (layout.frames, layout.channels)
        self.layout = layout
        self.x_t = draw((layout.steps + 1, *inner), layout.dtype)
        self.velocity = draw((layout.steps, len(layout.velocities), *inner), layout.dtype)
        self.hidden = {
            module.name: draw((len(module.steps), len(layout.branches), *module.shape), module.dtype)
            for module in layout.hidden
        }
        self.audio = draw((layout.audio_channels, max(layout.audio_samples - 1, 1)), "float32")

    def write(self, writer: TraceWriter, steps: int | None = None) -> None:
        """Write the first ``steps`` updates (None: everything, and mark it complete)."""
        for k in range(self.layout.steps if steps is None else steps):
            for module in self.layout.hidden:
                if k in module.steps:
                    for branch, values in enumerate(self.hidden[module.name][module.steps.index(k)]):
                        writer.write_hidden(k, module.name, branch, values)
            writer.write_step(k, self.x_t[k], self.velocity[k])
        if steps is None:
            writer.write_final(self.x_t[-1])
            writer.finish(self.audio, 1.5, ["a note"])


def write_trace(
    path: Path, layout: Layout = SMALL, about: Metadata = ABOUT, *, steps: int | None = None, force: bool = False
) -> Content:
    """Create a trace at ``path``, fill it, and return what went in."""
    content = Content(layout)
    writer = TraceWriter(path, layout, about, force=force)
    content.write(writer, steps)
    writer.close()
    return content
