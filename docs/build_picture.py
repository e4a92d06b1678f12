"""Take docs/images/report.png from a report: ``python docs/build_picture.py runs/demo/report.html``.

With the id of a section after the page, its picture goes to docs/images/ID.png:
``python docs/build_picture.py work/mini-timing/report.html timing-pitch``.

Needs playwright (in the dev extra) and a Chromium on the PATH.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Photograph the first screen, or a section, in light colours."""
    path, section = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(path.resolve().as_uri())
        page.wait_for_timeout(3000)
        if section is None:
            page.screenshot(path=IMAGES / "report.png")
        else:
            page.locator(f"#{section}").screenshot(path=IMAGES / f"{section}.png")
        browser.close()


if __name__ == "__main__":
    main()
