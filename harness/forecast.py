"""What a user should know before a run starts: how long it will take, and under which terms the weights stand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from generators.base import GenerationRequest, Generator

WORTH_SAYING_S = 60.0
"""Shorter runs are not announced."""
ROWS, WIDTH = 512, 2048
"""Of the matrices that are multiplied to measure the rate."""
MEASURED_S = 0.3
AT_ONCE = 4
"""Products between two looks at the clock."""


def matmul_rate(
    device: torch.device,
    dtype: torch.dtype,
    rows: int = ROWS,
    width: int = WIDTH,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Measure how many floating-point operations a second products ``[rows, width] @ [width, width]`` reach here."""
    left = torch.randn(rows, width, device=device).to(dtype)
    square = torch.randn(width, width, device=device).to(dtype)
    left @ square  # the first product sets things up
    products, started = 0, clock()
    while clock() - started < MEASURED_S:
        for _ in range(AT_ONCE):
            left @ square
        products += AT_ONCE
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return products * 2.0 * rows * width**2 / (clock() - started)


def forecast_s(generator: Generator, requests: Sequence[GenerationRequest]) -> float | None:
    """Seconds that requests will take at the rate of matrix products here; None where the work is not known.

    A run is never faster than this, and on a busy machine slower.
    """
    flops = [generator.flops(request) for request in requests]
    known = [count for count in flops if count is not None]
    if not known or len(known) < len(flops):
        return None
    weight = _weight(generator)
    return sum(known) / matmul_rate(weight.device, weight.dtype)


def announcements(generator: Generator, requests: Sequence[GenerationRequest]) -> list[str]:
    """Sentences to show before the first step."""
    said = []
    if generator.licences:
        listed = ", ".join(f"{name} {licence}" for name, licence in generator.licences.items())
        said.append(f"licences of the weights: {listed} (harness models licences)")
    said += generator.remarks
    seconds = forecast_s(generator, requests) if _weight(generator).device.type == "cpu" else None
    if seconds is not None and seconds >= WORTH_SAYING_S:
        said.append(f"on this CPU it will take about {duration(seconds)} or more; --device cuda is for a GPU")
    return said


def _weight(generator: Generator) -> torch.Tensor:
    """Return any weight, for its device and type; a number on the CPU where there is none."""
    return next(generator.denoiser.parameters(), torch.zeros(()))


def duration(seconds: float) -> str:
    """Write a time span for people."""
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
