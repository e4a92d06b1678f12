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
from tests.generators.diffusers_audio import tiny

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


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_two_schedulers_of_one_path_agree(tmp_path: Path) -> None:
    """DDIM and Euler take the same first-order step, once their states are on one axis; fewer steps end elsewhere."""
    request = GenerationRequest("a soft drone", duration_s=0.2, guidance_scale=3.0, seed=1)
    found = compare(
        tiny.generator("audioldm2"),
        request,
        arms_of((6, 4), ("DDIMScheduler", "EulerDiscreteScheduler")),
        tmp_path / "a",
    )
    ends = {arm.name: arm.measures[REFERENCE_END][-1] for arm in found.arms}
    reference, other_steps, other_scheduler, both = ends.values()
    assert reference == 0
    assert other_scheduler < 0.05 < other_steps
    assert both == pytest.approx(other_steps, rel=0.1)
    np.testing.assert_allclose(found.arms[0].t, found.arms[2].t, atol=1e-6)


@pytest.mark.parametrize("name", ["stable-audio-3", "longcat"])
def test_step_counts_of_flows(tmp_path: Path, name: str) -> None:
    request = GenerationRequest("a soft drone", duration_s=0.2, guidance_scale=3.0, seed=1)
    found = compare(tiny.generator(name), request, arms_of((6, 3), ()), tmp_path / "a")
    assert found.arms[0].measures[OWN_END][-1] == 0
    assert np.isfinite(found.arms[1].log_snr[1:-1]).all()
    assert 0 < found.spread(OWN_END).max() < 1


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
    with pytest.raises(RequestError, match="unknown option `scheduler`"):
        compare(generator, REQUEST, arms_of((8, 4), ("DDIMScheduler",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
