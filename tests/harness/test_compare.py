"""Comparing step counts: curves on one axis, of the generator whose flow is known exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from generators.base import GenerationRequest, RequestError
from generators.closed_form import ClosedFormGenerator
from harness.compare import OWN_END, REFERENCE_END, TABLE, ArmCurves, Comparison, arms_of, compare
from harness.errors import ExistsError, InputError

REQUEST = GenerationRequest("C4", duration_s=0.2, seed=1)


def test_curves_of_the_same_flow_agree_more_the_finer_they_are(generator: ClosedFormGenerator, tmp_path: Path) -> None:
    coarse = compare(generator, REQUEST, arms_of((32, 4), ()), tmp_path / "coarse")
    fine = compare(generator, REQUEST, arms_of((32, 24), ()), tmp_path / "fine")
    assert fine.spread(OWN_END).mean() < 0.5 * coarse.spread(OWN_END).mean()
    reference = fine.arms[0]
    assert reference.name == "32 steps"
    assert reference.measures[OWN_END][-1] == reference.measures[REFERENCE_END][-1] == 0
    document = json.loads((tmp_path / "fine" / TABLE).read_text())
    assert document["arms"]["24 steps"]["log_snr"][0] is None
    assert document["arms"]["24 steps"]["log_snr"][12] == pytest.approx(0, abs=1e-9)
    with pytest.raises(ExistsError):
        compare(generator, REQUEST, arms_of((32, 24), ()), tmp_path / "fine")


def test_spread_is_the_difference_at_the_same_t() -> None:
    t = np.array([0.0, 0.5, 1.0])
    measures = {OWN_END: np.array([1.0, 0.5, 0.0]), REFERENCE_END: np.array([1.0, 0.5, 0.25])}
    halves = {name: values + 0.125 for name, values in measures.items()}
    found = Comparison(REQUEST, "g", (ArmCurves("a", t, measures), ArmCurves("b", t, halves)))
    np.testing.assert_allclose(found.spread(OWN_END), 0.125)
    assert "differ in their distance to its own end by 0.125" in found.finding


def test_what_cannot_be_compared(generator: ClosedFormGenerator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        arms_of((8, 8), ())
    with pytest.raises(RequestError, match="unknown option 'scheduler'"):
        compare(generator, REQUEST, arms_of((8, 4), ("DDIMScheduler",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
