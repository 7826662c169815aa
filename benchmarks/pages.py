"""How long the pages take on a run with 100,000 predictions: every page as a script, then in a real browser.

Run: python benchmarks/pages.py [FOLDER [TEST_ITEMS]]   (FOLDER keeps the drawn run; made anew without one)

Each page is timed three ways: its first run in a new session (records are read), a rerun (an interaction),
and, where Chromium is installed, from the click to the first paint of the heading and to the last chart.
CPU seconds stand beside wall seconds, since the machine may be doing something else.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGES = ("verdict", "quality", "latency", "cost", "route", "runs", "export", "advise")
PARTS = ("Accuracy", "Slices", "Labels", "Calibration", "Learning", "Robustness", "Answers")


@dataclass(frozen=True)
class Took:
    """Wall and CPU seconds of something."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:8.2f} {self.cpu:8.2f}"


def timed(work: Callable[[], object]) -> Took:
    """Do it once and time it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def scripts() -> None:
    """Every page without a browser."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "dashboards" / "app.py"), default_timeout=300)
    print(f"{'page':34} {'wall s':>8} {'CPU s':>8}")
    print(f"{'verdict, imports included':34} {timed(app.run)}")
    for page in PAGES:
        name = f"app_pages/{page}.py"
        print(f"{f'{page}, first':34} {timed(lambda name=name: app.switch_page(name).run())}")
        print(f"{f'{page}, again':34} {timed(app.run)}")
    app.switch_page("app_pages/quality.py").run()
    for part in PARTS:
        control = app.segmented_control(key="part")
        print(f"{f'quality: {part}':34} {timed(lambda c=control, p=part: c.set_value(p).run())}")
    for kind in ("wrong", "right", "all"):
        box = app.selectbox(key="kind")
        print(f"{f'answers: {kind}':34} {timed(lambda b=box, k=kind: b.set_value(k).run())}")
    turn = app.get("pagination")[0]
    print(f"{'answers: page 500':34} {timed(lambda: turn.set_value(500).run())}")
    arm = app.selectbox(key="browsed")
    print(f"{'answers: another arm, first':34} {timed(lambda: arm.select_index(2).run())}")
    assert not app.exception, app.exception


def browser(runs: Path) -> None:
    """Every page in Chromium, from the address to the heading and to the end of the page."""
    from tests.support.browser import Served, open_browser, settled

    with Served(runs) as address, open_browser(1280) as driver:
        print(f"\n{'page, in Chromium':34} {'paint s':>8} {'whole s':>8}")
        for attempt in ("first", "again"):
            for page in PAGES:
                start = time.perf_counter()
                driver.get(f"{address}/{'' if page == 'verdict' else page}")
                paint = settled(driver, lambda d: bool(d.find_elements("tag name", "h1")), start)
                whole = settled(driver, None, start)
                print(f"{f'{page}, {attempt}':34} {paint:8.2f} {whole:8.2f}")


def main(folder: Path, test_items: int) -> None:
    """Make the run if it is not there, then time."""
    from benchmarks.large_run import build

    runs = folder / "runs"
    if not runs.exists():
        build(runs, test_items)
    os.environ["TOR_RUNS_DIR"] = str(runs)
    os.environ["TOR_VIEW_RUN"] = ""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{test_items:,} test items, 5 arms; load of the machine {load:.1f}\n")
    scripts()
    try:
        from tests.support.browser import missing
    except ImportError as error:
        print(f"\nno browser: {error}")
        return
    why = missing()
    if why:
        print(f"\nno browser: {why}")
        return
    browser(runs)


if __name__ == "__main__":
    items = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), items)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), items)
