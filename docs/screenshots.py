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

from harness.report.palette import OPTION_COLOURS  # noqa: E402
from tests.support.browser import Served, faults, missing, open_browser, resize, settled  # noqa: E402

PAGES = ("advise", "verdict", "quality", "latency", "cost", "route", "runs", "export")
WIDTHS = (1280, 390)
DARK = ("verdict", "quality")
TALLEST = {1280: 2200, 390: 2600}
COLOURS = 256


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
    """The same picture with at most 256 colours, those of the arms among them."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    _same_colours(image, few.convert("RGB"))
    return out.getvalue()


def _same_colours(before: Any, after: Any) -> None:
    """Fewer colours must not make one arm look like another."""
    for colour in OPTION_COLOURS.values():
        wanted = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
        spots = [at for at, seen in enumerate(before.getdata()) if seen == wanted]
        if len(spots) >= 20:
            drawn = list(after.getdata())
            worst = max(max(abs(a - b) for a, b in zip(drawn[at], wanted, strict=True)) for at in spots)
            assert worst <= 24, f"{colour} is off by {worst} of 255"


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
