"""The closed-form generator with its small SAE and probes, and a short request."""

from __future__ import annotations

import pytest

from generators.base import GenerationRequest
from harness.decoding.artifacts import Artifacts, read_artifacts


@pytest.fixture(scope="session")
def artifacts(fitted) -> Artifacts:
    return read_artifacts(fitted.source, fitted.probes, fitted.sae)


@pytest.fixture
def request_() -> GenerationRequest:
    return GenerationRequest("", num_inference_steps=8, duration_s=0.2, guidance_scale=1.5)
