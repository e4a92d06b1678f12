"""One worker thread behind a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """Hand items to ``consume`` in order, on a thread of its own.

    At most ``capacity`` items wait; ``submit`` blocks beyond that, so memory stays bounded. An error in ``consume``
    ends the work: later items are dropped, and the error is raised by the next ``check``, ``submit`` or ``close``.
    """

    def __init__(self, consume: Callable[[Item], None], capacity: int = 2) -> None:
        self._consume = consume
        self._queue: queue.Queue[Item | None] = queue.Queue(capacity)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="trace-writer", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what the thread failed with, if it did."""
        if self._error is not None:
            raise self._error

    def submit(self, item: Item) -> None:
        """Queue ``item``; wait while the queue is full."""
        self.check()
        self._queue.put(item)

    def close(self) -> None:
        """Let the thread finish everything queued, end it, and raise its error if it failed."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self.check()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._consume(item)
                except BaseException as error:
                    self._error = error
