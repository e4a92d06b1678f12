"""Killed at any moment, a trace keeps every finished step; read while it is written, it is right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness import open_trace
from harness.store.reader import Trace
from harness.store.writer import TraceWriter
from tests.harness.store.trace_examples import ABOUT, SMALL, Content

ROOT = Path(__file__).resolve().parents[3]
STEPS = 60


class Runs:
    """The forking process of ``traced_runs.py``."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("traced_runs.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._line() == "ready"

    def start(self, path: Path) -> int:
        """Begin a traced generation; return its process id."""
        self._say(f"{path} {STEPS}")
        return int(self._line())

    def wait(self) -> int:
        """Wait until the generation has ended; return its wait status."""
        self._say("")
        return int(self._line())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    runs = Runs()
    yield runs
    runs.close()


def assert_finished_steps_equal(killed: Trace, whole: Trace) -> None:
    for k in range(killed.steps):
        np.testing.assert_array_equal(killed.x_t[k], whole.x_t[k])
        for branch in ("cond", "uncond", "guided"):
            np.testing.assert_array_equal(killed.velocity_of(branch)[k], whole.velocity_of(branch)[k])
    for branch in ("cond", "uncond"):
        outputs = killed.hidden["mean"].of(branch)
        np.testing.assert_array_equal(outputs[:], whole.hidden["mean"].of(branch)[: len(outputs)])


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_killed_run_keeps_every_finished_step(runs: Runs, tmp_path: Path, kills: int) -> None:
    whole = tmp_path / "whole.h5"
    began = time.monotonic()
    runs.start(whole)
    assert runs.wait() == 0
    longest_s = time.monotonic() - began
    chance = random.Random(kills)
    path = tmp_path / "trace.h5"
    finished = []
    with open_trace(whole) as reference:
        assert (reference.complete, reference.steps) == (True, STEPS)
        for _ in range(kills):
            # The same name each time: what one killed run leaves must not stop the next.
            path.unlink(missing_ok=True)
            child = runs.start(path)
            time.sleep(chance.uniform(0, longest_s))
            os.kill(child, signal.SIGKILL)
            died = runs.wait()
            if not path.exists():
                continue
            with open_trace(path) as trace:
                finished.append(trace.steps)
                assert trace.complete == (died == 0) or trace.steps == STEPS
                assert_finished_steps_equal(trace, reference)
    assert any(0 < steps < STEPS for steps in finished), finished
    runs.start(path)
    assert runs.wait() == 0
    with open_trace(path) as trace:
        assert trace.complete
    # A run killed while it lays out its file may leave that under a hidden name, in nobody's way.
    assert sorted(item.name for item in tmp_path.iterdir() if item.suffix != ".part") == ["trace.h5", "whole.h5"]


def test_another_process_reads_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "trace.h5"
    content = Content(SMALL)
    writer = TraceWriter(path, SMALL, ABOUT)
    content.write(writer, 2)
    look = f"""if True:
        from harness import open_trace
        trace = open_trace({str(path)!r})
        print(trace.steps, trace.complete, float(trace.x_t[1].sum()), flush=True)
        input()  # stay open while the writer goes on
    """
    reader = subprocess.Popen(
        [sys.executable, "-c", look], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert reader.stdout is not None
    assert reader.stdout.readline().split() == ["2", "False", str(float(content.x_t[1].sum()))]
    with open_trace(path) as here:
        content.write(writer)
        assert not here.complete
    writer.close()
    reader.communicate("\n", timeout=60)
    assert reader.returncode == 0
    with open_trace(path) as trace:
        assert (trace.steps, trace.complete) == (4, True)
