"""The page in a real browser, opened from disk. Skipped where there is no chromium."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from generators.base import GenerationRequest
from harness.report.page import build_report
from harness.store.reader import open_trace
from harness.tracing import Tracer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 120_000
"""Machines that run tests are often busy with something else."""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"),
    pytest.mark.timeout(600),
]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def report(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    request = GenerationRequest('</script> a "quoted" 🎺 prompt', duration_s=3.0, num_inference_steps=12, seed=3)
    with Tracer(generator, [request], [folder / "trace.h5"]) as tracer:
        tracer.finish(generator.generate_batch([request], hooks=[tracer]))
    with open_trace(folder / "trace.h5") as trace:
        return build_report(trace, generator.codec, folder / "report.html").path


@pytest.fixture(scope="module")
def browser():
    arguments = ["--mute-audio", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, report) -> Iterator:
    """Open the report offline; whatever the console says, or any request beyond the file, fails the test."""
    contexts, complaints = [], []

    def complain(what) -> None:
        complaints.append(what)

    def opened(**settings):
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complain(f"{message.type}: {message.text}"))
        page.on("pageerror", complain)
        page.on("requestfailed", lambda request: complain(f"failed: {request.url[:200]}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:")) else complain(request.url[:200]),
        )
        page.goto(report.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def wait_until(page, condition: str) -> None:
    """Poll a condition; the driver's own waiting needs ``eval``, which the page's policy forbids."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_all_figures_are_drawn(open_page):
    page = open_page()
    assert page.locator(".plot").count() == 8
    assert page.locator(".plot .main-svg").count() >= 8
    assert page.locator(".plot .heatmaplayer image").count() >= 6
    assert page.locator("h2").all_text_contents() == ["Overview", "Hear it emerge", "Trajectory", "Provenance"]
    assert "</script>" in page.locator(".prompt").text_content()


def test_no_button_sends_data_away(open_page):
    page = open_page()
    titles = page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(button => button.dataset.title)")
    assert set(titles) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_and_can_be_toggled(open_page, scheme):
    page = open_page(color_scheme=scheme)
    ink = "document.querySelector('#agreement .xtick text').style.fill"
    before = background(page), page.evaluate(ink)
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    toggled = background(page), page.evaluate(ink)
    assert before[0] != toggled[0]
    assert before[1] != toggled[1]
    page.keyboard.press("Enter")
    assert (background(page), page.evaluate(ink)) == before


def test_slider_by_keyboard_changes_step_sound_and_figure(open_page):
    page = open_page()
    slider, player = page.locator("#step-slider"), page.locator(".stepper audio")
    shown = "document.getElementById('emergence-steps').data.filter(d => d.visible && d.meta >= 0).map(d => d.meta)"
    assert set(page.evaluate(shown)) == {0}
    source = player.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert set(page.evaluate(shown)) == {2}
    assert player.get_attribute("src") != source
    assert slider.get_attribute("aria-valuetext").startswith("Step 3 of 12")
    assert page.locator(".step-text").text_content() == slider.get_attribute("aria-valuetext")
    page.keyboard.press("End")
    assert set(page.evaluate(shown)) == {8}


def test_sound_plays_and_keeps_its_position_across_steps(open_page):
    page = open_page()
    position = "document.querySelector('.stepper audio').currentTime"
    page.locator("#step-slider").click()  # browsers play only after the user did something
    page.evaluate("document.querySelector('.stepper audio').play()")
    wait_until(page, f"{position} > 0.3")
    page.locator("#step-slider").focus()
    before = page.evaluate(position)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    wait_until(page, f"{position} >= {before} && !document.querySelector('.stepper audio').paused")
    page.evaluate("document.getElementById('final-audio').play()")
    wait_until(page, "document.getElementById('final-audio').currentTime > 0.1")
    assert page.evaluate("document.querySelector('.stepper audio').paused")


def test_copy_button_copies_the_command(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("[data-copy=command-text]")
    button.focus()
    page.keyboard.press("Enter")
    wait_until(page, "document.querySelector('[data-copy=command-text]').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#command-text").text_content()


def test_usable_at_phone_width_and_in_print(open_page, tmp_path):
    page = open_page(viewport={"width": 390, "height": 844})
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 390
    assert page.locator("#step-slider").bounding_box()["width"] > 250
    for summary in page.locator("summary").all():
        summary.press("Enter")
    assert page.locator("details[open]").count() == 8
    assert page.evaluate(width) == 390
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
