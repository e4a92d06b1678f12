"""The command as users run it: its own process, real signals, real exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import open_trace

HARNESS = (sys.executable, "-m", "harness")
HOME = Path(__file__).parents[3]


def harness(*args: str | Path, cwd: Path = HOME, path: Path = HOME) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run([*HARNESS, *args], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def steps_in(trace: Path) -> int:
    with open_trace(trace) as live:
        return live.steps


def test_generate_and_inspect(tmp_path):
    out = tmp_path / "run"
    small = ("--generator", "closed-form", "--steps", "3", "--duration", "0.2")
    done = harness("generate", "--prompt", "C4", *small, "--trace", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    shown = harness("inspect", run["trace"], "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["steps"] == 3


def test_interrupt_keeps_the_finished_steps(tmp_path):
    trace = tmp_path / "run" / "trace.h5"
    long = ("--generator", "closed-form", "--steps", "1000", "--duration", "12")
    command = [*HARNESS, "generate", "--prompt", "C4", *long, "--trace", "--out", tmp_path / "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HOME)
    while not trace.exists() or steps_in(trace) < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines() == [f"error: interrupted; what was finished is in {tmp_path / 'run'}"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["trace.h5"]
    with open_trace(trace) as kept:
        assert not kept.complete
        assert 3 <= kept.steps < 1000
        assert kept.x_t[kept.steps - 1].shape == kept.x_t[0].shape


def test_usage_error(tmp_path):
    done = harness("generate", "--prompt", "C4", "--steps", "0", "--out", tmp_path / "run", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(tmp_path):
    quiet = harness("inspect", tmp_path)
    loud = harness("inspect", tmp_path, "--debug")
    assert quiet.returncode == loud.returncode == 2
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert loud.stderr.endswith(quiet.stderr)


def test_users_own_module_in_front_of_ours(tmp_path):
    (tmp_path / "analysis.py").write_text("raise SystemExit('the wrong module was imported')")
    done = harness("list", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: 'import analysis' finds")
    assert "rename" in done.stderr
