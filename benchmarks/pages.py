"""Putting a benchmark's table into a page of the documentation."""

from __future__ import annotations

from pathlib import Path

END = "<!-- end benchmark -->"


def insert(page: Path, script: str, text: str) -> None:
    """Replace what stands in ``page`` between the marks of ``script``, such as ``benchmarks/steering.py``."""
    begin = f"<!-- begin benchmark: written by {script} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(END, 1)[1]
    page.write_text(f"{before}{begin}\n\n{text}\n\n{END}{after}", encoding="utf-8")
