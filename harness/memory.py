"""A device with too little memory: one message instead of the allocator's, with what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.errors import HarnessError


@contextmanager
def enough_memory(device: str | torch.device, *, chunked: bool = False) -> Iterator[None]:
    """Turn an allocation that fails inside into ``HarnessError``; ``chunked`` is the codec's."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise HarnessError(_message(torch.device(device), chunked)) from None
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # what torch raises on the CPU
            raise
        raise HarnessError(_message(torch.device(device), chunked)) from None


def _message(device: torch.device, chunked: bool) -> str:
    room = ""
    if device.type == "cuda":
        room = f" ({torch.cuda.get_device_properties(device).total_memory / 1e9:.1f} GB in all)"
    smaller = ["a shorter --duration", "--batch-size 1"]
    if device.type != "cpu":
        smaller = ["--dtype float16", *smaller, "--device cpu"]
    already = " (the sound is decoded in chunks already)" if chunked else ""
    return f"{device} has too little memory for this{room}; make it smaller: {' or '.join(smaller)}{already}"
