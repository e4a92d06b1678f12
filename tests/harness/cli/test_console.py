from __future__ import annotations

import io
import sys

import pytest

from harness.cli.console import progress_bar, quoted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "drawn"), [(Terminal(), True), (io.StringIO(), False)], ids=["terminal", "file"])
def test_progress_is_drawn_on_a_terminal_only(monkeypatch, stream, drawn):
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar() as show:
        show("sampling", 3, 8)
    assert ("3/8" in stream.getvalue()) is drawn
    assert ("sampling" in stream.getvalue()) is drawn


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("C4 loud", '"C4 loud"'),
        ("", '""'),
        ("é 😀", '"é 😀"'),
        ("a\nb\x1b[0m", r'"a\nb\x1b[0m"'),
        ("x" * 100, '"' + "x" * 69 + '..."'),
    ],
)
def test_quoted(text, shown):
    assert quoted(text) == shown
