"""One run, every way it is shown: one value for one thing, in the terminal, JSON, HTML, PDF and pages.

What is walked: every cell of every table by its row and its head, every sum of money wherever it stands, and
the volumes at which an arm breaks even. The records are the one source; a view is read as a reader sees it.
"""

from __future__ import annotations

import dataclasses
import html as markup
import importlib.util
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from advisor.money.crossing import BreakEvenCurve
from advisor.money.ledger import Covers
from harness.bakeoff.results import ArmResult
from harness.bakeoff.run_folder import RunFolder
from harness.core.serial import decode
from harness.core.wording import money, percent, short_money
from harness.money.records import ArmForecast
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results
from harness.report.context import ReportContext
from harness.report.files import export_run
from harness.report.run_document import run_document
from harness.report.text import render_text
from tests.support.pages import BUSINESS, COST, make_run, scripted_context
from tests.support.pdf_text import text_of

APP = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"
PAGES = ("verdict", "cost", "quality", "latency")
KINDS = ("title", "subheader", "text", "code", "caption", "warning", "error", "info", "success", "markdown")
MARKS = "*~+!"
OF_PAIRS = {
    *("points (interval)", "only first / only second", "p"),
    *("would show points", "more items to decide it", "the first is"),
}
"""Columns of the differences: an arm has a row for each arm it is set against."""
SUM = re.compile(r"-?\$\d+(?:,\d{3})*(?:\.\d+)?")
VOLUME = re.compile(r"(?:from|up to|break-even:) (\d[\d,]*\d|\d)(?: queries a month|\b(?=;|\.))")
STATE = re.compile(r"(: (to use|to pilot|ruled out))?( \(.*\))?$")
RULE = re.compile(r" *-{2,}( +-{2,})*")
Cells = Mapping[tuple[str, str], set[str]]
"""(row, head of the column) -> what stands there, over all tables of a view."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunResults, Path]:
    place = tmp_path_factory.mktemp("one-value")
    folder = make_run(place, business=BUSINESS, cost=COST)
    return folder, read_results(folder), place


@pytest.fixture(scope="module")
def written(run: tuple[RunFolder, RunResults, Path]) -> dict[str, str]:
    """Every view of the run as it is written: HTML with its marks, the others as text."""
    folder, results, place = run
    found = {"terminal": render_text(run_document(results, folder.manifest()), full=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOR_RUNS_DIR", str(folder.root.parent))
        patch.setenv("TOR_CACHE_DIR", str(place / "cache"))
        for page in PAGES:
            app = AppTest.from_file(APP, default_timeout=120).run().switch_page(f"app_pages/{page}.py").run()
            assert not app.exception
            said = [str(element.value) for kind in (*KINDS, "html") for element in app.get(kind)]
            found[f"page {page}"] = "\n".join(text for text in said if not text.startswith("<style>"))
    wanted = ["html", "json", *(["pdf"] if importlib.util.find_spec("typst") else [])]
    for path in export_run(folder, wanted, place / "report", scripted_context(place)):
        found[path.suffix.removeprefix(".")] = (
            _pdf(path) if path.suffix == ".pdf" else path.read_text(encoding="utf-8")
        )
    return found


@pytest.fixture(scope="module")
def read(written: dict[str, str]) -> dict[str, str]:
    """Every view but the JSON as a reader sees it: plain text, blanks alike."""
    return {view: " ".join(_plain(text).split()) for view, text in written.items() if view != "json"}


def _plain(text: str) -> str:
    return markup.unescape(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", text, flags=re.S))


def _pdf(path: Path) -> str:
    if shutil.which("pdftotext") is None:
        return text_of(path.read_bytes())
    done = subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True
    )
    return done.stdout


def titles(results: RunResults) -> list[str]:
    """The arms as tables name them, longer names first."""
    name = ReportContext(results=results).title
    return sorted((name(arm.arm) for arm in results.arms), key=len, reverse=True)


def arm_named(results: RunResults, title: str) -> tuple[ArmResult, ArmForecast | None]:
    c = ReportContext(results=results)
    arm = next(arm for arm in results.arms if c.title(arm.arm) == title)
    return arm, c.forecast(arm.arm)


def html_cells(text: str, rows: list[str]) -> Cells:
    """The cells of rows that begin with one of these names."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.S):
        cells = re.findall(r'<td[^>]* data-head="([^"]*)"[^>]*><span>(.*?)</span></td>', row, re.S)
        shown = [(markup.unescape(head), _plain(one.partition("<small>")[0]).strip()) for head, one in cells]
        name = next((one for one in rows if shown and shown[0][1].startswith(one)), None)
        for head, cell in shown[1:] if name else ():
            found[name or "", head].add(" ".join(cell.split()).rstrip(MARKS))
    return found


def text_cells(text: str, rows: list[str]) -> Cells:
    """The same of tables with a rule of dashes under their heads."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if not RULE.fullmatch(line):
            continue
        spans = [(dash.start(), dash.end()) for dash in re.finditer("-+", line)]
        if len(spans) < 2:  # the line under a title
            continue
        above = [one for one in lines[max(0, at - 2) : at] if one and not RULE.fullmatch(one)]
        heads = [" ".join(" ".join(one[a:b].strip() for one in above).split()) for a, b in spans]
        for name, cells in _rows_under(lines[at + 1 :], spans, rows):
            for head, cell in zip(heads[-len(cells) :], cells, strict=True):
                found[name, head].add(re.sub(r" \(.*\)$", "", cell).rstrip(MARKS))
    return found


def _rows_under(
    lines: list[str], spans: list[tuple[int, int]], rows: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Rows up to the next empty line: on one line, or with their figures on the line below their name."""
    waiting = ""
    for line in lines:
        if not line.strip():
            return
        cells = [line[a:b].strip() for a, b in spans]
        first, whole = (STATE.sub("", one) for one in (cells[0], line.strip()))
        if waiting:
            yield waiting, cells
            waiting = ""
        elif first in rows and any(cells[1:]):
            yield first, cells[1:]
        elif whole in rows:
            waiting = whole


@pytest.fixture(scope="module")
def tables(run: tuple[RunFolder, RunResults, Path], written: dict[str, str]) -> dict[str, Cells]:
    rows = [*titles(run[1]), "Today"]
    drawn = (view for view in written if "page" in view or view == "html")
    found = {view: html_cells(written[view], rows) for view in drawn}
    return found | {"terminal": text_cells(written["terminal"], rows)}


def test_a_cell_says_the_same_in_every_table_of_every_view(tables: dict[str, Cells]) -> None:
    together: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(dict)
    for view, cells in tables.items():
        for place, said in cells.items():
            together[place][view] = said
    assert len([place for place, views in together.items() if len(views) > 1]) >= 50
    unlike = {
        place: views for place, views in together.items() if len(set(map(frozenset, views.values()))) > 1
    }
    assert unlike == {}, "views that differ"
    several = {place[1] for place, views in together.items() if len(set.union(*views.values())) > 1}
    assert several <= OF_PAIRS, "one view that says two things"


@pytest.mark.parametrize("view", ["terminal", "html", "page verdict"])
def test_tables_hold_the_values_of_the_records(
    view: str, run: tuple[RunFolder, RunResults, Path], tables: dict[str, Cells]
) -> None:
    results, cells = run[1], tables[view]
    for title in titles(results):
        arm, found = arm_named(results, title)
        whole = {
            "right answers % (interval)": percent(arm.quality.primary.value).removesuffix(" %"),
            "1,000 queries": short_money(arm.cost.usd_per_1k.usd),
            "1,000 right answers": short_money(arm.cost.usd_per_1k_correct.usd),
            "a month, all in": "-" if found is None else money(found.month_usd.usd),
        }
        assert arm.cost.usd_per_1k.covers is Covers.CALLS
        for head, value in whole.items():
            assert cells[title, head] == {value}, (title, head)


def amounts(value: object) -> Iterator[Decimal]:
    """Every sum of money of the records."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from amounts(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from amounts(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from amounts(getattr(value, field.name))


@pytest.fixture(scope="module")
def recorded(run: tuple[RunFolder, RunResults, Path]) -> set[str]:
    """Every sum of the records as it is worded; of a saving that is none, the cost too."""
    sums = [sign * one for one in amounts(run[1]) for sign in (1, -1)]
    machine = run[1].outlook.business.machine_hour_usd
    return {words for one in [*sums, machine] for words in (money(one), short_money(one).removeprefix("<"))}


def test_every_sum_of_money_is_one_of_the_records(read: dict[str, str], recorded: set[str]) -> None:
    """A view that reckons, rounds or scales for itself would show another one; ticks of axes are no sums."""
    for view, text in read.items():
        found = set(SUM.findall(text))
        assert found or view in {"page quality", "page latency"}, view
        strange = {one for one in found - recorded if not _is_tick(one)}
        assert strange == set(), view


def _is_tick(words: str) -> bool:
    """1, 2, 3 and 5 times a power of ten, and steps of 2.5."""
    digits = words.replace("$", "").replace(",", "").replace(".", "").strip("0-")
    return digits in {"", "1", "2", "3", "4", "5", "6", "8", "12", "25", "15", "75"}


def test_the_month_of_every_arm_and_of_today_is_in_every_view_that_shows_money(
    run: tuple[RunFolder, RunResults, Path], read: dict[str, str]
) -> None:
    paid = run[1].outlook.incumbent
    # 10,000 items at $0.80, and 1,000 wrong ones at $2
    assert paid is not None and paid.month_usd.usd == Decimal(10_000)
    for month in (paid.month_usd, *(arm.month_usd for arm in run[1].outlook.arms)):
        assert month.usd is not None and month.covers is Covers.ALL_IN
        for view in {"terminal", "html", "pdf", "page cost"} & set(read):
            assert money(month.usd) in read[view], view


def test_the_accuracy_of_every_arm_is_in_every_view(
    run: tuple[RunFolder, RunResults, Path], read: dict[str, str]
) -> None:
    for arm in run[1].arms:
        value = percent(arm.quality.primary.value).removesuffix(" %")
        for view in {"terminal", "html", "pdf", "page verdict"} & set(read):
            assert value in read[view], (view, arm.arm)


def curves(results: RunResults) -> list[BreakEvenCurve]:
    return [curve for arm in results.outlook.arms for curve in arm.break_even]


def test_a_break_even_is_one_of_the_records_wherever_it_is_named(
    run: tuple[RunFolder, RunResults, Path], read: dict[str, str]
) -> None:
    known = {
        f"{volume:,}"
        for curve in curves(run[1])
        for volume in (curve.queries_per_month, *(end.volume for end in curve.ends))
        if volume is not None
    }
    against_today = (curve for curve in curves(run[1]) if curve.rival == "incumbent")
    today = {f"{volume:,}" for curve in against_today if (volume := curve.queries_per_month)}
    assert today
    for view, text in read.items():
        said = set(VOLUME.findall(text))
        if view in {"terminal", "html"}:
            assert today <= said, view
        assert said <= known, view


def test_the_json_is_the_records(run: tuple[RunFolder, RunResults, Path], written: dict[str, str]) -> None:
    assert decode(RunResults, written["json"]) == run[1]


def test_no_sentence_says_never_beside_a_volume(read: dict[str, str]) -> None:
    for view, text in read.items():
        assert "never pays back" not in text, view
