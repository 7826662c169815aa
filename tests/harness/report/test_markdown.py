"""Markdown for a pull request: the same words as the terminal, and foreign text that stays text.

What must not survive is taken from GitHub's dialect: HTML, links, images, mentions, issue numbers,
formulas, table bars, fences.
"""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.recommendation.records import Caution, CautionKind, Recommendation
from harness.report.document import Command, Document, Section, Table, Verbatim
from harness.report.markdown import escape, render_markdown
from harness.report.run_document import run_document
from harness.report.text import render_text
from tests.support.results import data_summary, recommendation, run_results

HOSTILE = (
    "<img src=x onerror=alert(1)> [click](http://evil) ![p](x) **bold** `code` | cell | @octocat #12 "
    "$x^2$ https://evil.example www.evil.example <!-- hidden --> &lt;b&gt;"
)


def doubted(message: str) -> Recommendation:
    return recommendation(cautions=(Caution(kind=CautionKind.DATA, message=message),))


def read(markdown: str) -> str:
    """What a reader sees of escaped text: comments gone, backslashes taken, entities decoded."""
    shown = re.sub(r"<!-- -->", "", markdown)
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown))


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_escaped_text_reads_as_itself(text: str) -> None:
    assert read(escape(text)) == " ".join(text.split())


@given(st.text())
def test_escaped_text_holds_no_markup(text: str) -> None:
    left = escape(text).replace("<!-- -->", "")
    assert "<" not in left and ">" not in left and "$" not in left
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|~]", left)
    assert not re.search(r"(?i)(https?|ftp)://|www\.", escape(text))
    assert not re.match(r"[-+=#]|\d+[.)]", escape(text))
    assert not re.search(r"(?<!\w)@\w", escape(text))


def test_an_arm_name_stays_readable_and_is_no_address() -> None:
    assert escape("tune@smollm2") == "tune@smollm2"
    assert escape("retrieve@gpt-4.1") == "retrieve@<!-- -->gpt-4.1"


def test_hostile_text_changes_nothing_but_itself() -> None:
    view = run_document(run_results(data=data_summary(title=HOSTILE), recommendation=doubted(HOSTILE)))
    calm = run_document(run_results(data=data_summary(title="T"), recommendation=doubted("T")))
    shown = render_markdown(view)
    assert "<img" not in shown and "@octocat" not in shown
    assert not re.search(r"(?<!\\)\]\(", shown)
    assert "https://evil" not in shown and "<!-- hidden" not in shown and "#12 " not in shown
    assert re.sub(r"^.*evil.*$", "", shown, flags=re.M).count("\n") == render_markdown(calm).count("\n")


def test_code_blocks_cannot_be_left() -> None:
    blocks = (Verbatim(label="x", text="```\n</details>\n````"), Command(command="a ```", purpose="p"))
    shown = render_markdown(Document(title="t", sections=(Section(key="k", title="s", blocks=blocks),)))
    assert "`````text\n```\n</details>\n````\n`````" in shown
    assert "````sh\na ```\n````" in shown


def test_tables_have_one_bar_pattern_a_row() -> None:
    shown = render_markdown(run_document(run_results(data=data_summary(title="a | b"))))
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(rows) > 20
    assert all(line.endswith(" |") for line in rows)


def test_markdown_and_terminal_show_the_same_cells() -> None:
    view = run_document(run_results())
    terminal, markdown = render_text(view, 100, full=True), read(render_markdown(view))
    cells = [
        text
        for section in view.sections
        for block in section.blocks
        if isinstance(block, Table)
        for row in block.rows
        for cell in row.cells
        for text in (cell.text, cell.detail)
    ]
    assert len(cells) > 60
    assert [cell for cell in cells if cell not in terminal or cell not in markdown] == []


@pytest.mark.parametrize("word", ["illustrative", "not measured", "n=560", "77.0 to 84.8"])
def test_what_must_be_said_is_said(word: str) -> None:
    assert word in read(render_markdown(run_document(run_results())))
