from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from analysis import properties
from generators.base import GenerationRequest
from generators.closed_form import ClosedFormGenerator
from harness.datasets.build import build
from harness.datasets.reader import open_dataset
from harness.datasets.sources import trace_sources
from harness.errors import InputError
from harness.pipeline import run
from harness.store.reader import open_trace

TIMES = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three traced runs."""
    generator = ClosedFormGenerator.from_pretrained()
    out = tmp_path_factory.mktemp("runs")
    requests = [
        GenerationRequest(prompt=prompt, duration_s=0.3, num_inference_steps=4, seed=1)
        for prompt in ("C4 loud", "G4 soft", "dark")
    ]
    run(generator, requests, out, trace=True)
    return out


def make(runs, out, hook_point, times=TIMES):
    return build(*trace_sources([runs], ("pitch", "loudness"), hook_point, times), out)


@pytest.mark.parametrize("hook_point", ["x_t", "x1_hat"])
def test_rows_are_the_trace_at_the_wanted_t(runs, tmp_path, hook_point):
    make(runs, tmp_path / "set.h5", hook_point)
    with open_dataset(tmp_path / "set.h5") as dataset:
        assert (dataset.source.hook_point, dataset.times, len(dataset.files)) == (hook_point, TIMES, 3)
        start = 0
        for file in dataset.files:
            with open_trace(file.name) as trace:
                frames = trace.x_t.shape[1]
                assert file.rows == 3 * frames
                for t in TIMES:
                    step = int(np.abs(trace.t - t).argmin())
                    wanted = trace.x_t[step] if hook_point == "x_t" else trace.x1_hat(step)
                    rows = slice(start, start + frames)
                    np.testing.assert_array_equal(dataset.rows()[rows], wanted)
                    assert (dataset.t[rows] == np.float32(t)).all()
                    loudness = properties.load("loudness")
                    measured = loudness.measure(trace.audio, trace.sample_rate_hz, trace.frame_rate_hz, frames)
                    np.testing.assert_array_equal(dataset.labels("loudness")[rows], measured.masked())
                    start += frames


def test_a_hook_point_that_was_not_recorded(runs, tmp_path):
    with pytest.raises(InputError, match=r"has no hook point 'blocks\.1'; it has x_t, x1_hat"):
        make(runs, tmp_path / "set.h5", "blocks.1")


def test_an_incomplete_trace_is_left_out(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    with h5py.File(tmp_path / "runs" / "001" / "trace.h5", "r+") as file:
        file.attrs.modify("complete", np.int64(0))
    result = make(tmp_path / "runs", tmp_path / "set.h5", "x_t")
    assert [entry.reason for entry in result.skipped] == ["it is incomplete, so there is no final audio to measure"]


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(InputError, match=r"holds no trace\.h5"):
        make(tmp_path, tmp_path / "set.h5", "x_t")
