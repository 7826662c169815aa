"""The HTML page: nothing runs or loads but its own script, text stays text, figures agree."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.bakeoff.answers import ItemAnswer, without_texts
from harness.recommendation.records import RunResults
from harness.report.context import Branding
from harness.report.document import Document, RecommendationBlock, Table, blocks_of, spans
from harness.report.files import Reported, write_report
from harness.report.run_document import run_document
from harness.report.text import render_text
from tests.support.closing import closing
from tests.support.pdf_text import text_of
from tests.support.results import LINEAR, data_summary, run_results

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=alert(1) & <!-- "
    "<svg onload=alert(1)> \u202e {{7*7}} javascript:alert(1)"
)
VOID = {"meta", "br", "img", "input", "link", "hr", "wbr"}


def wrong(text: str = "charged twice", number: int = 0) -> ItemAnswer:
    return ItemAnswer(
        arm=LINEAR,
        item_id=f"t-{number}",
        text=text,
        label="refund_request",
        raw="invoice question",
        answer="invoice_question",
        correct=False,
        confidence=0.61,
    )


def made(tmp_path: Path, results: RunResults | None = None, *answers: ItemAnswer, company: str = "") -> str:
    branding = Branding(company=company)
    reported = Reported(
        results=results or run_results(), answers=answers, closing=closing(), branding=branding
    )
    (path,) = write_report(reported, ["html"], tmp_path)
    return path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects text and tags, and insists that what is opened is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(source)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join("".join(self.words).split())


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    assert made(tmp_path / "a") == made(tmp_path / "b")


def test_the_policy_lets_nothing_run_but_the_pages_own_script_and_style(tmp_path: Path) -> None:
    page = made(tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page = Page(made(tmp_path))
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")


def test_every_reference_leads_to_its_source(tmp_path: Path) -> None:
    page = Page(made(tmp_path))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    wanted = {(attributes["href"] or "")[1:] for _, attributes in page.tags if "href" in attributes}
    assert len(wanted) >= 8 and wanted <= ids


def test_hostile_text_changes_nothing_but_itself(tmp_path: Path) -> None:
    wild = run_results(data=data_summary(title=HOSTILE, provenance=HOSTILE, licence=HOSTILE, name=HOSTILE))
    own = Page(made(tmp_path / "a", run_results(), wrong()))
    worst = replace(wrong(HOSTILE), label=HOSTILE)
    found = Page(made(tmp_path / "b", wild, worst, company=HOSTILE))
    assert {tag for tag, _ in found.tags} == {tag for tag, _ in own.tags}
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert squeezed("<img src=x onerror=alert(1)>") in found.text


def test_a_text_of_a_hundred_thousand_characters_is_cut(tmp_path: Path) -> None:
    short = made(tmp_path / "a", None, wrong())
    assert len(made(tmp_path / "b", None, wrong("long " * 20_000))) < len(short) + 1_000


def test_wrong_answers_are_shown_up_to_a_limit_and_counted(tmp_path: Path) -> None:
    page = Page(made(tmp_path, None, *(wrong(number=n) for n in range(35))))
    assert squeezed("the first 20 of 35 wrong answers") in page.text
    assert page.text.count("invoice_question") == 20 + 1  # and one confusion


def test_what_lies_behind_the_arms_is_there(tmp_path: Path) -> None:
    page = Page(made(tmp_path))
    charts = {attributes.get("data-chart") for tag, attributes in page.tags if tag == "svg"}
    assert charts == {"month", "accuracy", "break-even", "reliability", "coverage", "times"}
    assert squeezed("the most frequent of 105 confusions") in page.text
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")


def test_every_section_of_the_terminal_is_there_but_its_commands(tmp_path: Path) -> None:
    page = Page(made(tmp_path))
    there = {attributes.get("id") for tag, attributes in page.tags if tag in {"section", "details"}}
    terminal = {section.key for section in run_document(run_results(), closing()).sections}
    assert terminal - {"next", "run"} <= there and "sources" in there  # which holds the run's facts


def test_without_a_script_nothing_is_missing(tmp_path: Path) -> None:
    """The slider only picks rows of a table that stands in the page; what needs a script is hidden."""
    page = made(tmp_path)
    assert "queries a month" in page and "EUR 3,770" in page  # 4102.12 dollars at 0.92
    hidden = [tag for tag, attributes in Page(page).tags if "hidden" in attributes]
    assert hidden == ["button"]


def figures(document: Document) -> list[str]:
    """Every worded figure of a document: those of the recommendation and the cells of tables."""
    found: list[str] = []
    for block in blocks_of(document):
        match block:
            case RecommendationBlock(facts=facts):
                found += [spans(fact.text)[0].text for fact in facts]
            case Table(rows=rows):
                found += [part for row in rows for cell in row.cells for part in (cell.text, cell.detail)]
            case _:
                continue
    return [figure for figure in found if figure]


def test_terminal_pdf_and_html_show_the_same_figures(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    from harness.report.pdf import render_pdf

    document = run_document(run_results(), closing(), "pdf")
    pdf, page = squeezed(text_of(render_pdf(document))), Page(made(tmp_path)).text
    terminal = squeezed(render_text(run_document(run_results(), closing()), 120, full=True))
    wanted = figures(document)
    assert len(wanted) > 100
    for where in (pdf, page, terminal):
        assert [figure for figure in wanted if squeezed(figure) not in where] == []


def test_a_page_without_texts_names_the_items_and_says_so(tmp_path: Path) -> None:
    page = Page(made(tmp_path, None, *without_texts([wrong("charged twice, card 4111")])))
    assert "4111" not in page.text and "invoicequestion" not in page.text
    assert "t-0" in page.text and squeezed("Their texts were left out") in page.text
