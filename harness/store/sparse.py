"""A file in memory that keeps only what was written to it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

_PAGE = 4096


class SparseFile(io.RawIOBase):
    """A seekable file whose holes cost nothing: HDF5 lays out a large structure in it without touching the disk."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._position = 0
        self._size = 0

    @property
    def size(self) -> int:
        """Length in bytes, holes included."""
        return self._size

    def extents(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, content) of every stretch that was written to, rounded to pages."""
        start, content = 0, bytearray()
        for page in sorted(self._pages):
            if page * _PAGE != start + len(content):
                yield start, bytes(content)
                start, content = page * _PAGE, bytearray()
            content += self._pages[page]
        yield start, bytes(content)

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset``, counted from the start, the position or the end."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the length; a longer file gains a hole, a shorter one keeps no promise about what lay beyond."""
        self._size = self._position if size is None else size
        return self._size

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the position on; holes read as zeros. Returns the number of bytes."""
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self._size - self._position), 0)
        for start, page, inner, length in self._pieces(count):
            content = self._pages.get(page)
            view[start : start + length] = content[inner : inner + length] if content else bytes(length)
        self._position += count
        return count

    def write(self, data: Any) -> int:
        """Write ``data`` at the position. Returns the number of bytes."""
        view = memoryview(data).cast("B")
        for start, page, inner, length in self._pieces(len(view)):
            content = self._pages.setdefault(page, bytearray(_PAGE))
            content[inner : inner + length] = view[start : start + length]
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def _pieces(self, count: int) -> Iterator[tuple[int, int, int, int]]:
        """Cut ``count`` bytes from the position on at page borders: (start in the data, page, start in it, length)."""
        start = 0
        while start < count:
            page, inner = divmod(self._position + start, _PAGE)
            length = min(_PAGE - inner, count - start)
            yield start, page, inner, length
            start += length
