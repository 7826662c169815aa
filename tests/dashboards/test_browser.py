"""A user's whole way in a real browser, wide and narrow: advice, upload, bake-off, verdict, PDF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff.run_folder import list_runs
from tests.support.browser import Served, faults, missing, open_browser, prefer, settled
from tests.support.desk import write_tickets
from tests.support.pages import BUSINESS, COST, make_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "a browser is there"),
]
Pages = tuple[Callable[[str], str], Any]


def click(driver: Any, text: str, tag: str = "button") -> None:
    """Click what says this at its end (an icon's name may stand before), once the page is done with it.

    A click on a page that is still drawn goes to an element that is about to be replaced, and is lost.
    """
    from selenium.common.exceptions import WebDriverException

    ends = f"substring(normalize-space(.), string-length(normalize-space(.)) - {len(text) - 1}) = {text!r}"
    path = f"//{tag}[{ends}]"

    def clicked(_: Any) -> bool:
        for element in driver.find_elements("xpath", path):
            try:
                settled(driver, None)
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


def bring(driver: Any, file: Path) -> None:
    """Upload a file, once the page asks for one."""
    settled(driver, lambda d: bool(d.find_elements("css selector", "input[type=file]")))
    settled(driver, None)
    driver.find_element("css selector", "input[type=file]").send_keys(str(file))


def choose(driver: Any, label: str, *options: str) -> None:
    """Pick options in a select box by typing their names: each once it is offered, and until it is held."""
    from selenium.webdriver.common.keys import Keys

    path = (
        f"//*[@data-testid='stMultiSelect' or @data-testid='stSelectbox'][.//label[contains(., {label!r})]]"
    )
    for option in options:
        settled(driver, lambda d: bool(d.find_elements("xpath", f"{path}//input")))
        settled(driver, None)
        field = driver.find_element("xpath", f"{path}//input")
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.send_keys(option)
        offered = f"//*[@role='option'][contains(., {option!r})]"
        settled(driver, lambda d, offered=offered: bool(d.find_elements("xpath", offered)))
        field.send_keys(Keys.ENTER)
        settled(driver, lambda d, option=option: option in held(d, path))
    settled(driver, None)


def held(driver: Any, path: str) -> set[str]:
    """What a select box holds: the names on its tags, or the value of its closed field."""
    script = (
        "return [...arguments[0].querySelectorAll('[data-tag] [title], input[aria-expanded=false]')]"
        ".map(one => one.title || one.value)"
    )
    found = driver.find_elements("xpath", path)
    return set(driver.execute_script(script, found[0])) if found else set()


def drop(driver: Any, *options: str) -> None:
    """Take options out of a multiselect: each by its cross, and until it is gone."""
    for option in options:
        settled(driver, None)
        path = f"//button[@aria-label='Remove {option}']"
        driver.execute_script("arguments[0].click()", driver.find_element("xpath", path))
        settled(driver, lambda d, path=path: not d.find_elements("xpath", path))
    settled(driver, None)


def no_wider_than_the_page(driver: Any) -> bool:
    """Nothing makes the page scroll sideways."""
    script = (
        "const m = document.querySelector('[data-testid=\"stMain\"]'); return m.scrollWidth <= m.clientWidth"
    )
    return bool(driver.execute_script(script))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where the pages are served, and the folder whose `runs` they show; none is there at first."""
    folder = tmp_path_factory.mktemp("served")
    with Served(folder / "runs", TOR_CACHE_DIR=str(folder / "cache"), TOR_OFFLINE="1") as address:
        yield address, folder


@pytest.mark.parametrize("width", [1280, 390])
def test_from_advice_to_the_pdf(width: int, served: tuple[str, Path], tmp_path: Path) -> None:
    address, runs = served[0], served[1] / "runs"
    before = {folder.run_id for folder in list_runs(runs)}
    tickets, downloads = write_tickets(tmp_path / "tickets.csv"), tmp_path / "downloads"
    downloads.mkdir()
    with open_browser(width, downloads=downloads) as driver:
        driver.get(f"{address}/advise")
        says(driver, "predicted, not measured")
        settled(driver, None)
        assert no_wider_than_the_page(driver)
        click(driver, "Test it", tag="div[@role='tab']")  # only the answer stands on the first screen
        click(driver, "Test it on my own table")
        says(driver, "is locked with the plan")
        bring(driver, tickets)
        says(driver, "120 rows, 4 columns")
        choose(driver, "Text columns", "subject", "body")
        choose(driver, "Label column", "queue")
        drop(driver, "encoder", "prompt", "retrieve", "tune", "route")  # what needs a model that is not there
        click(driver, "Start")
        says(driver, "See the verdict")
        click(driver, "See the verdict")
        for words in ("What was compared", "Linear classifier", "Predicted against measured"):
            says(driver, words)
        settled(driver, None)
        assert no_wider_than_the_page(driver)
        (made,) = {folder.run_id for folder in list_runs(runs)} - before
        driver.get(f"{address}/export?run={made}")
        click(driver, "Download PDF")
        settled(driver, lambda _: bool(list(downloads.glob("*.pdf"))))
        (pdf,) = downloads.glob("*.pdf")
        assert pdf.read_bytes().startswith(b"%PDF-") and pdf.stem == made
        assert faults(driver) == []


@pytest.fixture(scope="module")
def wide(served: tuple[str, Path]) -> Iterator[Pages]:
    """Addresses of the pages of a run whose months are known: the unknown is not drawn. And a browser."""
    address, folder = served
    run = make_run(folder, business=BUSINESS, cost=COST)
    with open_browser(1280) as driver:
        yield lambda page: f"{address}/{page}?run={run.run_id}", driver


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_of_charts_can_be_read_in_either_theme(wide: Pages, dark: bool) -> None:
    script = (
        "const app = document.querySelector('.stApp');"
        "if (!app) return ['', 0, []];"
        "const ink = getComputedStyle(app).color;"
        "const words = [...document.querySelectorAll('.tor-chart svg text.f-ink')];"
        "const others = words.filter(w => getComputedStyle(w).fill !== ink);"
        "return [ink, words.length, others.map(w => w.textContent)]"
    )
    page_of, driver = wide
    prefer(driver, dark)
    for page in ("quality", "latency", "cost"):
        driver.get(page_of(page))
        settled(driver, lambda d: d.execute_script(script)[1] > 0)
        settled(driver, None)
        ink, _, others = driver.execute_script(script)
        assert (sum(map(int, ink[4:-1].split(", "))) > 384) is dark, "the page follows what is preferred"
        assert others == []


def test_values_of_a_chart_are_read_by_keys_and_by_pointer(wide: Pages) -> None:
    """One stop for the keyboard a chart; the arrow keys go through its values, Escape leaves them."""
    script = """
        const svg = document.querySelector('.tor-chart svg');
        const tip = () => document.querySelector('.tor-tip');
        const key = (name) => svg.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));
        svg.focus();
        const found = [svg.getAttribute('role'), svg.getAttribute('aria-label').length > 20];
        for (const name of ['ArrowRight', 'ArrowRight', 'ArrowLeft']) {
            key(name);
            found.push(tip().textContent);
        }
        key('Escape'); found.push(tip().hidden);
        const part = svg.querySelectorAll('[data-tip]')[1], box = part.getBoundingClientRect();
        const at = {bubbles: true, clientX: box.x + 2, clientY: box.y + 2};
        part.dispatchEvent(new PointerEvent('pointermove', at)); found.push(tip().textContent, tip().hidden);
        return found;
    """
    page_of, driver = wide
    driver.get(page_of("quality"))
    settled(driver, lambda d: bool(d.find_elements("css selector", ".tor-chart svg")))
    role, described, first, second, again, left, pointed, hidden = driver.execute_script(script)
    assert (role, described, left, hidden) == ("img", True, True, False)
    assert first == again != second == pointed and "n=36" in first
    assert faults(driver) == []
