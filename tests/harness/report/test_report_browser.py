"""The page in a real browser, opened from disk once for all checks. Skipped where there is no chromium."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from generators.base import GenerationRequest
from harness.decoding.artifacts import read_artifacts
from harness.decoding.decode import decode
from harness.decoding.storage import store
from harness.report.page import build_report
from harness.store.reader import open_trace
from harness.tracing import Tracer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 120_000
"""Machines that run tests are often busy with something else."""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"),
    pytest.mark.timeout(600),
]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


@pytest.fixture(scope="module")
def report(generator, fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    request = GenerationRequest(
        '</script> a "quoted" 🎺 A4', duration_s=3.0, num_inference_steps=12, seed=3, guidance_scale=1.5
    )
    with Tracer(generator, [request], [folder / "trace.h5"]) as tracer:
        tracer.finish(generator.generate_batch([request], hooks=[tracer]))
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    with open_trace(folder / "trace.h5") as trace:
        store(trace, decode(trace, artifacts))
    with open_trace(folder / "trace.h5") as trace:
        return build_report(trace, generator.codec, folder / "report.html", artifacts=artifacts).path


@pytest.fixture(scope="module")
def complaints():
    """What the console said, and every request beyond the file."""
    return []


@pytest.fixture(scope="module")
def opened(report, complaints):
    """Open the report offline."""
    arguments = ["--mute-audio", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_MS)
        context = browser.new_context(offline=True, viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:200]}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else complaints.append(request.url[:200])
            ),
        )
        page.goto(report.as_uri())
        wait_until(page, "document.querySelectorAll('.plot:not(.js-plotly-plot)').length === 0")
        yield page
        browser.close()


@pytest.fixture
def page(opened, complaints):
    """Lend the page to one test, at desktop width in light colours."""
    yield opened
    opened.evaluate("document.querySelectorAll('audio').forEach(audio => audio.pause())")
    opened.evaluate("scrollTo(0, 0)")
    assert not complaints


def wait_until(page, condition: str) -> None:
    """Poll a condition; the driver's own waiting needs ``eval``, which the page's policy forbids."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def shown(figure: str) -> str:
    """Expression for the views that a figure shows."""
    plot = f"document.getElementById('{figure}')"
    return f"[...new Set({plot}.data.filter(d => d.visible !== false && d.meta >= 0).map(d => d.meta))]"


def test_first_screen_holds_prompt_finding_player_and_chart(page):
    assert page.locator(".prompt").text_content() == '</script> a "quoted" 🎺 A4'
    for part in (".prompt", "#overview .finding", "#final-audio", "#emergence-chart", "#emergence-chart-caption"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= DESKTOP["height"], part


def test_all_figures_are_drawn_and_none_sends_data_away(page):
    assert page.locator(".plot .main-svg").count() >= page.locator(".plot").count()
    assert page.locator(".plot .heatmaplayer image").count() >= 10
    titles = [link.text_content() for link in page.locator("nav a").all()]
    assert page.locator("h2").all_text_contents() == titles
    assert {"Overview", "Hear it emerge", "Trajectory", "Guidance", "Features", "Provenance"} <= set(titles)
    buttons = page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(button => button.dataset.title)")
    assert set(buttons) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_theme_follows_the_system_and_can_be_toggled(page, scheme):
    page.emulate_media(color_scheme=scheme)
    ink = "document.querySelector('#emergence-chart .xtick text').style.fill"
    before = background(page), page.evaluate(ink)
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    toggled = background(page), page.evaluate(ink)
    assert before[0] != toggled[0]
    assert before[1] != toggled[1]
    page.keyboard.press("Enter")
    assert (background(page), page.evaluate(ink)) == before
    page.evaluate("delete document.documentElement.dataset.theme")


def test_views_are_switched_by_keyboard(page):
    assert page.evaluate(shown("emergence-chart")) == [0]
    page.locator("[data-views=emergence-chart] input").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(shown("emergence-chart")) == [1]
    page.keyboard.press("ArrowDown")
    assert page.evaluate(shown("emergence-chart")) == [2]
    page.locator("[data-views=feature-maps]").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(shown("feature-maps")) == [1]


def test_slider_by_keyboard_changes_step_sound_and_figure(page):
    slider, player = page.locator("#step-slider"), page.locator(".stepper audio")
    assert page.evaluate(shown("emergence-steps")) == [0]
    source = player.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(shown("emergence-steps")) == [2]
    assert player.get_attribute("src") != source
    assert slider.get_attribute("aria-valuetext").startswith("Step 3 of 12")
    assert page.locator(".step-text").text_content() == slider.get_attribute("aria-valuetext")
    page.keyboard.press("End")
    assert page.evaluate(shown("emergence-steps")) == [8]


def test_sound_plays_and_keeps_its_position_across_steps(page):
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


def test_copy_button_copies_the_command(page):
    button = page.locator("[data-copy=command-text]")
    button.focus()
    page.keyboard.press("Enter")
    wait_until(page, "document.querySelector('[data-copy=command-text]').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#command-text").text_content()


def test_table_is_searched_and_sorted_by_keyboard(page):
    rows = page.locator("#features tbody tr")
    visible = page.locator("#features .searchable tbody tr:visible")
    everything = visible.count()
    page.locator("#features input[type=search]").focus()
    page.keyboard.type("timbre")
    assert 0 < visible.count() < everything
    assert page.locator("#features [role=status]").text_content() == f"{visible.count()} of {everything} rows"
    assert {row.locator("th").text_content() for row in visible.all()} == {"timbre"}
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert visible.count() == everything
    head = page.locator("#features .searchable thead th").nth(3)
    for order, sign in (("ascending", 1), ("descending", -1)):
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == order
        values = [sign * float(row.locator("td").nth(2).text_content()) for row in visible.all()]
        assert values == sorted(values)
    assert rows.count() >= everything


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}  # all that the theme can change
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    serious = [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_usable_at_phone_width_and_in_print(page, tmp_path):
    page.set_viewport_size(PHONE)
    width = "document.documentElement.scrollWidth"
    wait_until(page, f"{width} === {PHONE['width']}")  # figures follow a little later
    assert page.locator("#step-slider").bounding_box()["width"] > 250
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert page.evaluate(width) == PHONE["width"]
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
    page.set_viewport_size(DESKTOP)
