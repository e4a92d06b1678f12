"""Take docs/images/report.png from a report: ``python docs/build_picture.py runs/demo/report.html``.

Needs playwright (in the dev extra) and a Chromium on the PATH.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TARGET = Path(__file__).parent / "images" / "report.png"
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Photograph the first screen, in light colours."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(Path(sys.argv[1]).resolve().as_uri())
        page.wait_for_timeout(3000)
        TARGET.parent.mkdir(exist_ok=True)
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
