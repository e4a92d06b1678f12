"""Reports: time to build, size, and how a browser takes them: time until they can be used, and memory.

    python -m benchmarks.report [--runs 200] [--out benchmarks/results/report.json]

A trace of ``mini`` (5 s, 32 steps) is generated and decoded; its report is built ``--repeats`` times, imports and
loading not counted. The page about many runs is made of copies of a shorter trace under names of their own. Chromium
opens both pages; "interactive" is the moment at which slider, tables and buttons answer, measured by the page itself
from the start of the navigation. Without chromium those figures are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from benchmarks.timing import report as write_result
from generators.base import GenerationRequest
from generators.codecs.base import Codec
from harness import provenance
from harness.decoding.artifacts import latents_of, require_shipped
from harness.decoding.decode import decode, run_name
from harness.decoding.storage import store
from harness.models import load_generator
from harness.pipeline import run
from harness.report.page import build_report, build_report_of_many
from harness.runs import TRACE
from harness.store.reader import open_trace

PROMPTS = 20
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def built(trace: Path, codec: Codec, out: Path, repeats: int) -> dict[str, float]:
    """Build the report of one trace; the fastest of ``repeats`` counts, the first is not timed."""
    times = []
    with open_trace(trace) as opened:
        for _ in range(repeats + 1):
            wall, processor = time.perf_counter(), time.process_time()
            build_report(opened, codec, out)
            times.append((time.process_time() - processor, time.perf_counter() - wall))
    processor_s, wall_s = min(times[1:])
    return {"wall_s": round(wall_s, 2), "processor_s": round(processor_s, 2), "bytes": out.stat().st_size}


def copies(trace: Path, count: int, folder: Path) -> list[Path]:
    """Copy a decoded trace under other run ids, prompts and seeds."""
    with open_trace(trace) as opened:
        decoded = decode(opened, require_shipped(latents_of(opened)))
    paths = []
    for index in range(count):
        path = folder / f"{index:03d}" / TRACE
        path.parent.mkdir(parents=True)
        shutil.copy(trace, path)
        with h5py.File(path, "r+") as file:
            request = json.loads(file.attrs["request"])
            request |= {"prompt": f"prompt {index % PROMPTS}", "seed": index}
            file.attrs["run_id"], file.attrs["request"] = f"copy-{index}", json.dumps(request)
        with open_trace(path) as opened:
            store(opened, replace(decoded, run=run_name(opened)))
        paths.append(path)
    return paths


def opened_in_chromium(page: Path) -> dict[str, Any]:
    """Milliseconds until the page can be used and until everything is drawn, and its heap after that."""
    from playwright.sync_api import sync_playwright

    arguments = ["--mute-audio", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(page.resolve().as_uri(), timeout=300_000)
        interactive_ms = tab.evaluate("performance.getEntriesByName('interactive')[0].startTime")
        while tab.evaluate("document.querySelectorAll('.plot:not(.js-plotly-plot)').length"):
            tab.wait_for_timeout(20)
        drawn_ms = tab.evaluate("performance.now()")
        session = tab.context.new_cdp_session(tab)
        session.send("Performance.enable")
        metrics = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
        browser.close()
    return {
        "interactive_ms": round(interactive_ms),
        "all_drawn_ms": round(drawn_ms),
        "heap_bytes": int(metrics["JSHeapUsedSize"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time, size and memory of reports.")
    parser.add_argument("--runs", type=int, default=200, help="runs on the page about many")
    parser.add_argument("--repeats", type=int, default=3, help="times the report of one run is built")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/report.json"), help="JSON file to write")
    arguments = parser.parse_args()
    mini = load_generator("mini")
    prompt = "a gentle bright flute melody"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(mini, [GenerationRequest(prompt, duration_s=5.0, num_inference_steps=32)], folder / "one", trace=True)
        run(mini, [GenerationRequest(prompt, duration_s=2.0, num_inference_steps=16)], folder / "short", trace=True)
        with open_trace(folder / "one" / TRACE) as trace:
            store(trace, decode(trace, require_shipped(latents_of(trace))))
        one, many = folder / "one.html", folder / "many.html"
        document: dict[str, Any] = {"one": built(folder / "one" / TRACE, mini.codec, one, arguments.repeats)}
        paths = copies(folder / "short" / TRACE, arguments.runs, folder / "many")
        started = time.process_time()
        build_report_of_many(paths, many)
        document["many"] = {
            "runs": arguments.runs,
            "processor_s": round(time.process_time() - started, 2),
            "bytes": many.stat().st_size,
        }
        if CHROMIUM:
            document["one"] |= opened_in_chromium(one)
            document["many"] |= opened_in_chromium(many)
    write_result({**document, "versions": provenance.versions(), "hardware": provenance.hardware()}, arguments.out)


if __name__ == "__main__":
    main()
