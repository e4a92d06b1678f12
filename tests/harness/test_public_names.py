"""What ``harness`` itself offers: every name resolves, none is missing, and none costs anything before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness
from harness.interventions import KINDS


def test_every_public_name_resolves_to_the_thing_of_that_name():
    for name in set(harness.__all__) - {"__version__"}:
        assert getattr(harness, name).__name__ == name
    assert dir(harness) == sorted(harness.__all__)


def test_every_kind_of_intervention_is_offered():
    assert {place.partition(":")[2] for place in KINDS.values()} <= set(harness.__all__)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'Steer'"):
        harness.Steer  # noqa: B018


@pytest.mark.parametrize(("line", "loaded"), [("import harness", False), ("from harness import steer", True)])
def test_importing_the_package_is_light(line, loaded):
    code = f"import sys; {line}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == str(loaded)
