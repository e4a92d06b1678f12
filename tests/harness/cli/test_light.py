"""``--help`` answers at once: nothing heavy is imported until a command runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "scipy", "librosa", "diffusers", "transformers", "plotly", "h5py", "soundfile", "tqdm"}

RUN = """
import json, sys
from harness.cli import cli
{extra}
cli.main({args!r}, prog_name="harness", standalone_mode=False)
print(json.dumps(sorted(sys.modules)))
"""


def imported(*args: str, extra: str = "") -> set[str]:
    """Top-level packages loaded by ``harness ARGS`` in a fresh interpreter."""
    code = RUN.format(args=list(args), extra=extra)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "args", [("--help",), ("generate", "--help"), ("report", "--help"), ("decode", "--help"), ("list",)], ids=" ".join
)
def test_no_heavy_import(args):
    assert imported(*args) & HEAVY == set()


def test_the_check_can_fail():
    assert imported("--help", extra="import numpy") & HEAVY == {"numpy"}


def test_every_heavy_package_is_one_we_use():
    """A misspelt name in ``HEAVY`` would make the check blind."""
    from importlib.util import find_spec

    assert all(find_spec(name) for name in HEAVY)
