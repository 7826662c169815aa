"""One run, every way it is shown: one value for one thing, in the terminal, JSON, HTML, PDF and pages.

What is walked: the month of each arm and of what is done today, the price of 1,000 queries of calls alone,
and the volume at which an arm breaks even. The records are the one source; each surface is read as a reader
sees it.
"""

from __future__ import annotations

import html as markup
import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from advisor.money.crossing import BreakEvenCurve
from advisor.money.ledger import Covers
from harness.bakeoff.run_folder import RunFolder
from harness.core.wording import money
from harness.money.records import ArmForecast, CostForecast
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results
from harness.report.reporting import export_run
from harness.report.run_document import run_document
from harness.report.text import render_text
from tests.support.pages import BUSINESS, COST, make_run, scripted_context
from tests.support.pdf_text import text_of

APP = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"
KINDS = ("title", "subheader", "text", "code", "caption", "warning", "error", "info", "success", "markdown")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunResults, Path]:
    place = tmp_path_factory.mktemp("one-value")
    folder = make_run(place, business=BUSINESS, cost=COST)
    return folder, read_results(folder), place


@pytest.fixture(scope="module")
def surfaces(run: tuple[RunFolder, RunResults, Path]) -> dict[str, str]:
    """What a reader sees of the run, by surface, as plain text."""
    folder, results, place = run
    found = {"terminal": render_text(run_document(results, folder.manifest()), full=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOR_RUNS_DIR", str(folder.root.parent))
        patch.setenv("TOR_CACHE_DIR", str(place / "cache"))
        app = AppTest.from_file(APP, default_timeout=120).run().switch_page("app_pages/cost.py").run()
    assert not app.exception
    said = [str(element.value) for kind in (*KINDS, "html") for element in app.get(kind)]
    found["pages"] = _plain("\n".join(text for text in said if not text.startswith("<style>")))
    wanted = ["html", *(["pdf"] if _has_typst() else [])]
    for path in export_run(folder, wanted, place / "report", scripted_context(place)):
        if path.suffix == ".html":
            found["html"] = _plain(path.read_text(encoding="utf-8"))
        elif path.suffix == ".pdf":
            found["pdf"] = _pdf(path)
    return found


def _has_typst() -> bool:
    return (
        shutil.which("typst") is not None or __import__("importlib.util").util.find_spec("typst") is not None
    )


def _plain(text: str) -> str:
    return markup.unescape(re.sub(r"<[^>]+>", " ", text))


def _pdf(path: Path) -> str:
    if shutil.which("pdftotext") is None:
        return text_of(path.read_bytes())
    done = subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True
    )
    return done.stdout


def outlook(results: RunResults) -> CostForecast:
    assert results.outlook is not None
    return results.outlook


def today(arm: ArmForecast) -> BreakEvenCurve:
    return next(curve for curve in arm.break_even if curve.rival == "incumbent")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00a0", " ").replace("\u202f", " "))


def test_the_month_of_every_arm_is_the_same_everywhere(
    run: tuple[RunFolder, RunResults, Path], surfaces: dict[str, str]
) -> None:
    for arm in outlook(run[1]).arms:
        assert arm.month_usd.usd is not None and arm.month_usd.covers is Covers.ALL_IN
        for name, text in surfaces.items():
            assert money(arm.month_usd.usd) in squeezed(text), (name, arm.arm)


def test_todays_month_is_the_same_everywhere(
    run: tuple[RunFolder, RunResults, Path], surfaces: dict[str, str]
) -> None:
    paid = outlook(run[1]).incumbent
    # 10,000 items at $0.80, and 1,000 wrong ones at $2
    assert paid is not None and paid.month_usd.usd == Decimal(10_000)
    assert all(money(paid.month_usd.usd) in squeezed(text) for text in surfaces.values())


def test_calls_alone_by_1000_queries_are_the_same_everywhere(
    run: tuple[RunFolder, RunResults, Path], surfaces: dict[str, str]
) -> None:
    for arm in run[1].arms:
        price = arm.cost.usd_per_1k
        assert price.covers is Covers.CALLS
        for name in ("terminal", "html"):
            assert money(price.usd) in squeezed(surfaces[name]), (name, arm.arm)


def test_the_volume_of_a_break_even_is_the_same_everywhere(
    run: tuple[RunFolder, RunResults, Path], surfaces: dict[str, str]
) -> None:
    found = [today(arm) for arm in outlook(run[1]).arms]
    assert any(curve.queries_per_month for curve in found)
    for curve in found:
        if curve.queries_per_month:
            for name in ("terminal", "html"):
                assert f"{curve.queries_per_month:,}" in squeezed(surfaces[name]), (name, curve)


def test_the_stored_json_holds_the_very_values_that_are_shown(
    run: tuple[RunFolder, RunResults, Path],
) -> None:
    folder, results, _ = run
    stored = [json.loads(path.read_text()) for path in sorted(folder.root.glob("*.json"))]
    money_of_run = next(
        found.get("outlook", found) for found in stored if "arms" in str(found) and "month_usd" in str(found)
    )
    for arm, kept in zip(outlook(results).arms, money_of_run["arms"], strict=True):
        assert Decimal(kept["month_usd"]["usd"]) == arm.month_usd.usd


def test_no_sentence_says_never_beside_a_volume(
    run: tuple[RunFolder, RunResults, Path], surfaces: dict[str, str]
) -> None:
    for text in surfaces.values():
        assert "never pays back" not in squeezed(text)
