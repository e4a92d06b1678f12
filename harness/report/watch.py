"""Building the report of a run again and again while it is still being generated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.report.page import Report
from harness.store.reader import Trace, open_trace

POLL_S = 2.0


def watch(path: Path, build: Callable[[Trace], Report]) -> Iterator[Report]:
    """Yield a new report whenever the trace at ``path`` holds more steps than before, the last one once it is whole."""
    seen: tuple[int, bool] | None = None
    while True:
        with open_trace(path) as trace:
            state = trace.steps, trace.complete
            if state != seen:
                seen = state
                yield build(trace)
            if trace.complete:
                return
        time.sleep(POLL_S)
