"""A file in memory behaves like one on disk."""

from __future__ import annotations

import io
import os

from hypothesis import given
from hypothesis import strategies as st

from harness.store.sparse import SparseFile

writes = st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=6_000)), max_size=8)


@given(writes, st.integers(0, 30_000), st.integers(0, 30_000))
def test_it_reads_as_an_ordinary_file(pieces: list[tuple[int, bytes]], offset: int, count: int) -> None:
    sparse, ordinary = SparseFile(), io.BytesIO()
    for file in (sparse, ordinary):
        for position, data in pieces:
            file.seek(position)
            file.write(data)
        file.seek(offset)
    assert sparse.read(count) == ordinary.read(count)
    assert sparse.tell() == ordinary.tell()
    assert sparse.size == sparse.seek(0, os.SEEK_END) == len(ordinary.getvalue())


@given(writes)
def test_extents_hold_everything_written(pieces: list[tuple[int, bytes]]) -> None:
    sparse, whole = SparseFile(), bytearray(40_000)
    for position, data in pieces:
        sparse.seek(position)
        sparse.write(data)
        whole[position : position + len(data)] = data
    rebuilt = bytearray(40_000)
    for offset, content in sparse.extents():
        rebuilt[offset : offset + len(content)] = content
    assert rebuilt == whole


def test_holes_cost_nothing() -> None:
    sparse = SparseFile()
    sparse.seek(1 << 40)
    sparse.write(b"end")
    assert sparse.size == (1 << 40) + 3
    assert sum(len(content) for _, content in sparse.extents()) < 10_000
