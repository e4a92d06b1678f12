"""The scripts in examples/ run, and do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
SIZE = {"num_inference_steps": 6, "duration_s": 1.0}
OUTCOMES = {
    "ablate_feature": lambda moved: 0.001 < moved < 2,
    "clamp_window": lambda moved: moved[0] > 2 * moved[1] > 0,
    "patch_at_t": lambda shares: shares[0.2] < shares[0.8],
    "closed_loop": lambda levels_db: 4 < levels_db[1] - levels_db[0] < 12,
    "own_intervention": lambda changes: changes[1] < 0.8 * changes[0],
}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_example(path, capsys):
    outcome = runpy.run_path(str(path))["main"](**SIZE)
    assert OUTCOMES[path.stem](outcome), outcome
    assert capsys.readouterr().out


def test_every_outcome_has_its_script():
    assert {path.stem for path in SCRIPTS} >= set(OUTCOMES)
