from __future__ import annotations

import pytest
import torch

from generators.base import GenerationRequest
from generators.closed_form import ClosedFormGenerator
from harness import forecast
from harness.errors import HarnessError
from harness.memory import enough_memory


class Counted(ClosedFormGenerator):
    """The closed-form generator with a made-up count of its work."""

    work = 6e12
    licences = {"theirs": "CC BY-NC 4.0"}  # noqa: RUF012
    remarks = ("taken as v1.2",)

    def flops(self, request: GenerationRequest) -> float:
        return self.work


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> ClosedFormGenerator:
    monkeypatch.setattr(forecast, "matmul_rate", lambda device, dtype: 1e9)
    return Counted.from_pretrained()


def test_the_rate_is_of_this_machine() -> None:
    assert 1e8 < forecast.matmul_rate(torch.device("cpu"), torch.float32) < 1e15


def test_long_runs_on_the_cpu_are_announced(counted: ClosedFormGenerator) -> None:
    assert forecast.forecast_s(counted, [GenerationRequest("C4")] * 2) == pytest.approx(12_000)
    licences, remark, time = forecast.announcements(counted, [GenerationRequest("C4")] * 2)
    assert "theirs CC BY-NC 4.0" in licences
    assert remark == "taken as v1.2"
    assert "about 3.3 h or more" in time


def test_short_and_uncounted_runs_are_not(counted: ClosedFormGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "work", 1e9)
    assert len(forecast.announcements(counted, [GenerationRequest("C4")])) == 2
    assert forecast.announcements(ClosedFormGenerator.from_pretrained(), [GenerationRequest("C4")]) == []


def test_too_little_memory_says_what_to_change() -> None:
    advice = r"too little memory.*: a shorter --duration or --batch-size 1 \(the sound is decoded in chunks already\)"
    with pytest.raises(HarnessError, match=advice), enough_memory("cpu", chunked=True):
        raise torch.OutOfMemoryError("Tried to allocate 2 GiB")
    advice = r"meta has too little memory.*: --dtype float16 or a shorter --duration or --batch-size 1 or --device cpu$"
    with pytest.raises(HarnessError, match=advice), enough_memory("meta"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(HarnessError, match="too little memory"), enough_memory("cpu"):
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError, match="other"), enough_memory("cpu"):
        raise RuntimeError("other")
