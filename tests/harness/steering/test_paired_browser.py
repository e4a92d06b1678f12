"""The three players run on one clock, in a real browser. Skipped where there is no chromium."""

from __future__ import annotations

import os
import shutil

import pytest

from generators.base import GenerationRequest
from harness.interventions.call import Call
from harness.pipeline import run
from harness.report.paired import build_paired_report
from harness.runs import TRACE
from harness.steering.experiment import steer_recorded
from harness.store.reader import open_trace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 120_000
SWITCH = """async () => {
  const [first, second] = document.querySelectorAll("[data-clock] audio");
  await first.play();
  first.currentTime = 1.5;
  await new Promise((done) => first.addEventListener("timeupdate", done, { once: true }));
  await second.play();
  return [first.paused, second.currentTime];
}"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"),
    pytest.mark.timeout(600),
]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def test_another_player_goes_on_from_the_same_place(generator, tmp_path):
    request = GenerationRequest("C4 loud", duration_s=3.0, num_inference_steps=4)
    run(generator, [request], tmp_path / "run", trace=True)
    with open_trace(tmp_path / "run" / TRACE) as trace:
        result = steer_recorded(trace, generator, [Call(lambda x, point: 1.2 * x)], tmp_path / "out", seeds=1)
    report = build_paired_report(result, tmp_path / "out" / "report.html")
    arguments = ["--mute-audio", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_MS)
        page = browser.new_context(offline=True).new_page()
        page.set_default_timeout(PATIENCE_MS)
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(report.path.as_uri())
        paused, position_s = page.evaluate(SWITCH)
        browser.close()
    assert paused
    assert position_s >= 1.5
    assert said == []
