"""One thread, bounded, whose error comes back to the caller."""

from __future__ import annotations

import threading
import time
from collections import deque

import pytest

from harness.store.background import Background


def test_items_arrive_in_order_and_close_waits_for_all() -> None:
    seen: list[int] = []
    worker = Background(seen.append, capacity=2, weight=lambda item: 1)
    for item in range(100):
        worker.submit(item)
    worker.close()
    worker.close()
    assert seen == list(range(100))


def test_waiting_items_are_bounded() -> None:
    gate = threading.Event()
    worker: Background[int] = Background(lambda item: gate.wait() and None, capacity=3, weight=lambda item: 1)
    sent: list[int] = []

    def send() -> None:
        for item in range(10):
            worker.submit(item)
            sent.append(item)

    sender = threading.Thread(target=send)
    sender.start()
    deadline = time.monotonic() + 10
    while len(sent) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(sent) == 3  # one being consumed, two waiting
    gate.set()
    sender.join()
    worker.close()


def test_an_error_reaches_the_caller_and_blocks_nobody() -> None:
    done: list[int] = []

    def consume(item: int) -> None:
        if item == 3:
            raise OSError("disk on fire")
        done.append(item)

    worker = Background(consume, capacity=1, weight=lambda item: 1)
    with pytest.raises(OSError, match="on fire"):
        deque(map(worker.submit, range(1000)))
    with pytest.raises(OSError, match="on fire"):
        worker.check()
    with pytest.raises(OSError, match="on fire"):
        worker.close()
    assert done == [0, 1, 2]


def test_an_item_beyond_the_capacity_goes_alone() -> None:
    held: list[int] = []
    most = 0

    def consume(item: int) -> None:
        nonlocal most
        time.sleep(0.01)
        most = max(most, sum(held))
        held.remove(item)

    worker = Background(consume, capacity=10, weight=lambda item: item)
    for item in (4, 5, 30, 6, 4, 40):
        worker.submit(item)
        held.append(item)
    worker.close()
    assert most <= 40
