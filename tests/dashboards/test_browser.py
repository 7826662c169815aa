"""A user's whole way in a real browser, wide and narrow: advice, upload, bake-off, verdict, PDF."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from harness.store import list_runs
from tests.support.browser import PATIENCE_S, Served, faults, missing, open_browser, settled
from tests.support.desk import write_tickets

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "a browser is there"),
]


def click(driver: Any, text: str, tag: str = "button") -> None:
    """Click what says this, once it is there and can be clicked."""
    from selenium.common.exceptions import WebDriverException

    path = f"//{tag}[contains(normalize-space(.), {text!r})]"

    def clicked(_: Any) -> bool:
        for element in driver.find_elements("xpath", path):
            try:
                driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
                element.click()
            except WebDriverException:
                continue  # not drawn yet, or drawn anew meanwhile
            return True
        return False

    settled(driver, clicked)


def says(driver: Any, text: str) -> None:
    """Wait until the page says this."""
    settled(driver, lambda d: text in d.find_element("tag name", "body").text)


def choose(driver: Any, label: str, *options: str) -> None:
    """Pick options in a select box by typing their names."""
    from selenium.webdriver.common.keys import Keys

    kinds = "@data-testid='stMultiSelect' or @data-testid='stSelectbox'"
    box = f"//*[{kinds}][.//label[contains(., {label!r})]]//input"
    for option in options:
        settled(driver, lambda d: bool(d.find_elements("xpath", box)))
        field = driver.find_element("xpath", box)
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.send_keys(option)
        time.sleep(0.5)
        field.send_keys(Keys.ENTER)
        settled(driver, None)


def no_wider_than_the_page(driver: Any) -> bool:
    """Nothing makes the page scroll sideways."""
    script = (
        "const m = document.querySelector('[data-testid=\"stMain\"]'); return m.scrollWidth <= m.clientWidth"
    )
    return bool(driver.execute_script(script))


@pytest.mark.parametrize("width", [1280, 390])
def test_from_advice_to_the_pdf(width: int, tmp_path: Path) -> None:
    tickets = write_tickets(tmp_path / "tickets.csv")
    runs, downloads = tmp_path / "runs", tmp_path / "downloads"
    downloads.mkdir()
    environ = {"TOR_CACHE_DIR": str(tmp_path / "cache"), "TOR_OFFLINE": "1"}
    with Served(runs, **environ) as address, open_browser(width, downloads=downloads) as driver:
        driver.get(f"{address}/advise")
        says(driver, "predicted, not measured")
        settled(driver, None)
        assert no_wider_than_the_page(driver)
        click(driver, "Test it on my own table")
        says(driver, "is locked with the plan")
        driver.find_element("css selector", "input[type=file]").send_keys(str(tickets))
        says(driver, "120 rows, 4 columns")
        choose(driver, "Text columns", "subject", "body")
        choose(driver, "Label column", "queue")
        for arm in ("prompt", "retrieve", "tune", "route"):
            click(driver, "", f"*[@aria-label='Remove {arm}' or contains(@aria-label, '{arm}, close')]")
            settled(driver, None)
        click(driver, "Start")
        says(driver, "See the verdict")
        click(driver, "See the verdict")
        says(driver, "What to ship")
        settled(driver, None)
        body = driver.find_element("tag name", "body").text
        assert "classical@linear" in body and "Predicted against measured" in body
        assert no_wider_than_the_page(driver)
        (folder,) = list_runs(runs)
        driver.get(f"{address}/export?run={folder.run_id}")
        click(driver, "Download PDF")
        end = time.monotonic() + PATIENCE_S
        while not list(downloads.glob("*.pdf")) and time.monotonic() < end:
            time.sleep(0.2)
        (pdf,) = downloads.glob("*.pdf")
        assert pdf.read_bytes().startswith(b"%PDF-") and pdf.stem == folder.run_id
        assert faults(driver) == []
