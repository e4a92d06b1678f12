"""Folders that are more than runs: an experiment or a study has a page of its own, whatever runs lie in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.report.page import Report
from harness.report.paired import build_paired_report
from harness.report.timing_page import build_timing_report
from harness.steering.result import RESULT, read_result
from harness.steering.timing import read_study
from harness.steering.timing_folder import CONFIG


def page_of(folder: Path) -> Callable[[Path], Report] | None:
    """Return what writes the page of a steering experiment or a timing study to a file; None for any other folder.

    Raises ``InputError`` for one that is damaged or unfinished.
    """
    if (folder / RESULT).is_file():
        result = read_result(folder)
        return lambda out: build_paired_report(result, out)
    if (folder / CONFIG).is_file():
        study = read_study(folder)
        return lambda out: build_timing_report(study, out)
    return None
