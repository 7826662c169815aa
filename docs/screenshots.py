"""Pictures of the pages for the documents: every page, wide and narrow, light and dark.

Run: python docs/screenshots.py [RUNS_FOLDER]   (needs Chromium, its driver and Selenium)

Writes docs/images/<page>-<width>.png with few colours, so that they stay small. Look at them before they are
committed: this is how a page that is too wide, empty or unreadable is noticed.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.browser import Served, faults, missing, open_browser, resize, settled  # noqa: E402

PAGES = ("advise", "verdict", "quality", "latency", "cost", "route", "runs", "export")
WIDTHS = (1280, 390)
DARK = ("verdict",)
TALLEST = {1280: 2200, 390: 2600}
COLOURS = 128


def picture(driver: Any, address: str, page: str, width: int) -> bytes:
    """One page as PNG, as tall as it is, up to a bound."""
    resize(driver, width, 900)
    driver.get(f"{address}/{'' if page == 'verdict' else page}")
    settled(driver, None)
    block = "document.querySelector('[data-testid=stMainBlockContainer]')"
    height = driver.execute_script(f"return {block}.scrollHeight + 40")
    resize(driver, width, min(max(700, int(height)), TALLEST[width]))
    settled(driver, None)
    taken: bytes = driver.get_screenshot_as_png()
    return taken


def small(png: bytes) -> bytes:
    """The same picture with few colours."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def main(runs: Path) -> None:
    """Take all of them; a fault on the console stops it."""
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    with Served(runs) as address:
        for width in WIDTHS:
            for dark in (False, True):
                with open_browser(width, dark=dark) as driver:
                    for page in DARK if dark else PAGES:
                        name = f"{page}-{width}{'-dark' if dark else ''}.png"
                        data = small(picture(driver, address, page, width))
                        (images / name).write_bytes(data)
                        sys.stdout.write(f"{name} {len(data):,} bytes\n")
                    assert not faults(driver), faults(driver)


if __name__ == "__main__":
    why = missing()
    if why:
        raise SystemExit(f"No pictures: {why}.")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
