"""The control with sizes of its own: as large as it was told, where it was told."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.interventions import from_json, to_json
from harness.interventions.bind import bind
from harness.interventions.call import Call
from harness.interventions.random_direction import RandomDirection
from harness.interventions.scale import Scale
from harness.interventions.schedule import Schedule

SIZES = (0.0, 0.1, 0.3, 0.0, 0.2, 0.2, 0.05, 0.4)


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(frames_s=(0.05, 0.15)), Schedule(branch="cond")])
def test_edits_have_the_given_sizes(generator, artifacts, request_, schedule):
    like = Call(lambda value, point: None, schedule=schedule)
    (hook,) = bind([RandomDirection(like, relative_norms=SIZES)], generator, request_, artifacts)
    generator.generate(request_, [hook])
    assert [float(hook.record[step]) for step in range(8)] == pytest.approx(SIZES, rel=1e-4)


@pytest.mark.parametrize("sizes", [(0.1,), (*SIZES[:-1], float("nan")), (*SIZES[:-1], -0.1)])
def test_sizes_that_do_not_fit_are_refused(generator, artifacts, request_, sizes):
    with pytest.raises(InputError, match="8 updates"):
        bind([RandomDirection(Scale(1, 2.0), relative_norms=sizes)], generator, request_, artifacts)


def test_sizes_are_stored():
    control = RandomDirection(Scale(1, 2.0), seed=3, relative_norms=SIZES)
    assert from_json(to_json(control)) == control
