"""The page of a timing study, and its sentences."""

from __future__ import annotations

import re

import numpy as np
import pytest

from analysis.bootstrap import Interval
from analysis.steering import TimingMap
from harness.report.timing_page import build_timing_report
from harness.steering.timing import TimingStudy
from harness.steering.timing_words import finding


def exact(values):
    array = np.asarray(values, dtype=float)
    return Interval(array, array, array)


def planted(commitment=0.5, effect=((0.9,), (0.2,))):
    return TimingMap(
        property="pitch",
        windows=((0.0, 0.5), (0.5, 1.0)),
        strengths=(1.0,),
        effect=exact(effect),
        reached=exact([[1.0], [0.0]]),
        others={"loudness": exact([[0.1], [0.2]]), "timbre": exact([[0.3], [0.4]])},
        by_window=exact(np.asarray(effect)[:, 0]),
        opening=exact(np.where(np.isnan(commitment), np.nan, 0.0)),
        commitment=exact(commitment),
        runs=3,
    )


def test_page_shows_fixed_beside_known_and_the_map(tmp_path):
    report = build_timing_report(TimingStudy(tmp_path, {"pitch": planted()}, {}))
    page = report.path.read_text(encoding="utf-8")
    assert set(re.findall(r'data-for="([\w-]+)"', page)) == {"timing-pitch-fixed", "timing-pitch-map"}
    assert "up to t" in report.finding
    assert "0.5–1" in page


@pytest.mark.parametrize(
    ("found", "phrase"),
    [
        (planted(), "there from t = 0.00 [0.00, 0.00], and left up to t = 0.50"),
        (planted(np.nan, ((0.05,), (0.0,))), "No window of t moves pitch"),
    ],
)
def test_sentences(found, phrase):
    assert phrase in finding(found, {})
