"""Pictures for the documents: verdict and advice as pages, two pages of the PDF, the HTML report.

Run: python docs/screenshots.py [RUNS_FOLDER [LOOK_FOLDER]]   (needs Chromium, its driver and Selenium; for
the PDF's pages typst)

Writes docs/images/. With a second folder every page goes there too, wide and narrow, light and dark, to be
looked at before a change is committed: this is how a page that is too wide, empty or unreadable is noticed.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from advisor.options import Option  # noqa: E402
from harness.bakeoff.run_folder import list_runs  # noqa: E402
from harness.report.pdf import document_data  # noqa: E402
from harness.report.run_document import run_document  # noqa: E402
from harness.report.run_view import open_page  # noqa: E402
from tests.support.browser import Served, faults, missing, open_browser, resize, settled  # noqa: E402

PAGES = ("advise", "verdict", "quality", "latency", "cost", "route", "runs", "export")
IN_DOCUMENTS = ("advise", "verdict")
WIDE, NARROW = 1280, 390
TALLEST = {WIDE: 1500, NARROW: 2600}
COLOURS = 256
MOST_BYTES = 120_000
PDF_PAGE_WIDTH = 760


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


def small(png: bytes, width: int | None = None) -> bytes:
    """The same picture with at most 256 colours, those of the arms among them."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    if width is not None:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    _same_colours(image, few.convert("RGB"))
    return out.getvalue()


def _same_colours(before: Any, after: Any) -> None:
    """Fewer colours must not make one arm look like another."""
    import numpy as np

    was, now = np.asarray(before, dtype=int), np.asarray(after, dtype=int)
    for colour in (option.traits.colour for option in Option):
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        spots = (was == wanted).all(axis=2)
        if spots.sum() >= 20:
            worst = int(abs(now[spots] - wanted).max())
            assert worst <= 24, f"{colour} is off by {worst} of 255"


def write(path: Path, data: bytes) -> None:
    """A picture, and how large it is."""
    path.write_bytes(data)
    sys.stdout.write(f"{path.name} {len(data):,} bytes\n")


def first_pages(runs: Path) -> list[bytes]:
    """The first two pages of the newest run's PDF."""
    page = open_page(list_runs(runs)[-1])
    assert page.results is not None, f"{page.run_id} has no results"
    import typst

    folder = ROOT / "harness" / "report"
    pages = typst.compile(
        (folder / "layout" / "document.typ").read_bytes(),
        font_paths=[folder / "fonts"],
        ignore_system_fonts=True,
        format="png",
        ppi=144.0,
        sys_inputs={"document": json.dumps(document_data(run_document(page.results, page.manifest, "pdf")))},
    )
    return [small(page, PDF_PAGE_WIDTH) for page in pages[:2]]


def html_report(runs: Path) -> bytes:
    """The top of the newest run's HTML report."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["report", "latest", "--format", "html", "-o", folder, "--runs", str(runs)]
        subprocess.run([sys.executable, "-m", "harness", *words], check=True, capture_output=True, cwd=ROOT)
        (file,) = Path(folder).glob("*.html")
        with open_browser(WIDE, dark=False) as driver:
            resize(driver, WIDE, TALLEST[WIDE])
            driver.get(file.as_uri())
            taken: bytes = driver.get_screenshot_as_png()
            return small(taken)


def main(runs: Path, images: Path, look: Path) -> None:
    """Take all of them; a fault on the console stops it."""
    wanted = [(WIDE, False), (WIDE, True), (NARROW, False), (NARROW, True)]
    with Served(runs) as address:
        for width, dark in wanted if look != images else wanted[:1]:
            with open_browser(width, dark=dark) as driver:
                for page in PAGES if look != images else IN_DOCUMENTS:
                    data = small(picture(driver, address, page, width))
                    write(look / f"{page}-{width}{'-dark' if dark else ''}.png", data)
                    if page in IN_DOCUMENTS and (width, dark) == (WIDE, False):
                        assert len(data) < MOST_BYTES, f"{page} takes {len(data):,} bytes"
                        (images / f"{page}-{width}.png").write_bytes(data)
                assert not faults(driver), faults(driver)
    for number, page in enumerate(first_pages(runs), 1):
        write(images / f"report-page-{number}.png", page)
    write(images / f"report-html-{WIDE}.png", html_report(runs))


if __name__ == "__main__":
    why = missing()
    if why:
        raise SystemExit(f"No pictures: {why}.")
    images = ROOT / "docs" / "images"
    look = Path(sys.argv[2]) if len(sys.argv) > 2 else images
    look.mkdir(exist_ok=True, parents=True)
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"), images, look)
