"""The decoded panel: there when a decode is, and drawn from its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.decoding.artifacts import read_artifacts
from harness.decoding.decode import decode
from harness.decoding.emergence import measure
from harness.decoding.storage import store
from harness.report import emergence
from harness.report.page import build_report


@pytest.fixture
def artifacts(fitted):
    return read_artifacts(fitted.source, fitted.probes, fitted.sae)


def test_no_panel_without_a_decode(make_trace, generator, tmp_path, read_page):
    page = read_page(build_report(make_trace(), generator.codec, tmp_path / "report.html").path)
    assert page.all("section", id="decoded") == []
    assert "to add it: harness decode " in page.one("p", role="note").content


def test_panel_of_a_decoded_trace(make_trace, generator, artifacts, tmp_path, read_page):
    trace = make_trace("A4 loud", steps=6, duration_s=1.0)
    store(trace, decode(trace, artifacts))
    page = read_page(build_report(trace, generator.codec, tmp_path / "report.html").path)
    section = page.one("section", id="decoded")
    plots = page.plots()
    assert {"decoded-accuracy", "decoded-convergence", "decoded-pitch", "decoded-features", "certainty"} <= set(plots)
    assert "pitch from" in section.all("p", class_="finding")[0].content
    for figure in section.all("figure"):
        assert figure.all("figcaption")[0].content.strip()
        assert len(figure.all("tr")) > 1
    names = [cell.content for cell in section.all("table")[0].all("th", scope="row")]
    assert names == ["pitch", "loudness", "timbre"]


def test_incomplete_trace_shows_what_was_decoded(make_trace, generator, artifacts, tmp_path, read_page):
    trace = make_trace(steps=6, stop_at=4)
    store(trace, decode(trace, artifacts))
    page = read_page(build_report(trace, generator.codec, tmp_path / "report.html").path)
    assert "last clean estimate, decoded" in page.one("section", id="decoded").content


def test_silence_leaves_only_words(make_trace, generator, artifacts, tmp_path, read_page):
    trace = make_trace(audio=np.zeros((1, 11264), np.float32))
    decoded = decode(trace, artifacts)
    nowhere = {
        name: replace(part, target=np.full_like(part.target, -1), top=()) for name, part in decoded.properties.items()
    }
    store(trace, replace(decoded, properties=nowhere))
    section = read_page(build_report(trace, generator.codec, tmp_path / "report.html").path).one(
        "section", id="decoded"
    )
    assert "none of the properties" in section.content
    assert section.all("figure") == []


def test_figures_draw_what_the_numbers_say(make_trace, artifacts):
    trace = make_trace("E4", steps=6, duration_s=1.0)
    decoded = decode(trace, artifacts)
    curves = measure(decoded)
    lines = {line.name: line for line in emergence.accuracy_figure(curves, ["pitch"]).data if line.name}
    curve = curves["pitch", ("x1_hat", "clean")]
    assert lines["clean estimate x1_hat"].y == pytest.approx(curve.accuracy.value)
    assert lines["state x_t"].y == pytest.approx(curves["pitch", ("x_t", "clean")].accuracy.value)
    assert set(lines["commonest class"].y) == {np.float32(curve.chance.value)}
    convergence = [line for line in emergence.convergence_figure({"pitch": curve}).data if line.name]
    assert convergence[0].y == pytest.approx(curve.paek.value, nan_ok=True)
    assert convergence[1].y == pytest.approx(curve.js_distance.value)
    heat, *overlay = emergence.pitch_figure(decoded, decoded.properties["pitch"]).data
    assert heat.z.shape == (6, len(decoded.properties["pitch"].values))
    assert np.nanmedian(heat.z[-1]) == 64
    assert all(np.array_equal(line.y, decoded.properties["pitch"].values, equal_nan=True) for line in overlay)


def test_noise_aware_probes_are_drawn_beside(make_trace, artifacts):
    aware = replace(artifacts, aware={"x1_hat": artifacts.probes, "x_t": {}})
    figure = emergence.accuracy_figure(measure(decode(make_trace(), aware)), ["pitch", "timbre"])
    assert sum(line.name == "x1_hat, noise-aware probe" for line in figure.data) == 2
