"""One worker thread behind a queue of bounded size."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """Hand items to ``consume`` in order, on a thread of its own.

    Items that wait or are being consumed weigh at most ``capacity`` together, or are one; ``submit`` blocks beyond
    that, so memory stays bounded. An error in ``consume`` ends the work: later items are dropped, and the error is
    raised by the next ``check``, ``submit`` or ``close``.
    """

    def __init__(self, consume: Callable[[Item], None], *, capacity: int, weight: Callable[[Item], int]) -> None:
        self._consume = consume
        self._capacity = capacity
        self._weight = weight
        self._held = 0
        self._changed = threading.Condition()
        self._queue: queue.SimpleQueue[tuple[Item, int] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="trace-writer", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what the thread failed with, if it did."""
        if self._error is not None:
            raise self._error

    def submit(self, item: Item) -> None:
        """Queue ``item``; wait while there is no room for it."""
        self.check()
        weight = self._weight(item)
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + weight <= self._capacity)
            self._held += weight
        self._queue.put((item, weight))

    def close(self) -> None:
        """Let the thread finish everything queued, end it, and raise its error if it failed."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self.check()

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            item, weight = entry
            if self._error is None:
                try:
                    self._consume(item)
                except BaseException as error:
                    self._error = error
            del item, entry
            with self._changed:
                self._held -= weight
                self._changed.notify()
