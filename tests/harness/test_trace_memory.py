"""Tracing needs little memory, whatever the length of the song and however many hidden states are recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import open_trace
from harness.store.format import HiddenLayout, Layout
from harness.tracing import LARGE_BYTES
from tests.harness.long_song import BLOCKS, FRAMES, STEPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory as Linux gives it")
@pytest.mark.parametrize("width", [192, pytest.param(1024, marks=pytest.mark.slow)])
def test_peak_memory_of_a_long_song(tmp_path: Path, width: int) -> None:
    """Less than 64 MB and one hidden state; all of one step would be several times that.

    Counted is what is held: glibc is told to give large pieces back when they are freed, which it else may put off.
    """
    script = Path(__file__).with_name("long_song.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(width)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": str(1 << 20)},
        capture_output=True,
        text=True,
        check=True,
    )
    hidden_state = FRAMES * width * 4
    assert int(done.stdout) < 64e6 + hidden_state
    with open_trace(tmp_path / "trace.h5") as trace:
        assert trace.complete
        for step in range(STEPS):
            for block in range(BLOCKS):
                assert (trace.hidden[f"transformer_blocks.{block}"].at(step, "uncond") == step).all()


def layout(hidden_steps: tuple[int, ...] = (), stride: int = 1, dtype: str = "float16", blocks: int = 16) -> Layout:
    """A song of DiffRhythm's base model: 2048 frames, 31 updates, guidance."""
    frames = len(range(0, 2048, stride))
    hidden = tuple(
        HiddenLayout(f"transformer_blocks.{i}", hidden_steps, (frames, 2048), dtype, stride, True)
        for i in range(blocks if hidden_steps else 0)
    )
    times = tuple(k / 31 for k in range(32))
    return Layout(times, 2048, 64, ("cond", "uncond"), "float32", 2, 2048 * 2048, hidden)


def test_sizes_of_a_published_song() -> None:
    """States and velocities go without asking, all hidden states do not, and each way of thinning them helps."""
    every = tuple(range(31))
    audio = 2 * 2048 * 2048 * 4
    plain = layout().predicted_bytes - audio
    assert plain == pytest.approx((32 + 3 * 31) * 2048 * 64 * 4, rel=0.01)
    whole = layout(every).predicted_bytes
    assert whole == pytest.approx(16 * 31 * 2 * 2048 * 2048 * 2, rel=0.02)
    assert whole > LARGE_BYTES
    for thinned in (layout(every, stride=4), layout(every[::4]), layout(every, blocks=4)):
        assert thinned.predicted_bytes < 0.3 * whole < LARGE_BYTES
    assert layout(every, dtype="float32").predicted_bytes == pytest.approx(2 * whole, rel=0.02)
