"""The report's blocks as HTML for a page. Pure; every text is escaped here, and nothing else makes HTML.

Classes are those of `style.css`. On a narrow page each row of a table becomes a card, so that no figure
is cut off; the head of a column then stands before its cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import assert_never

from harness.core.wording import lines_of, one_line
from harness.report.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Command,
    Fact,
    Facts,
    Paragraph,
    Recommendation,
    Row,
    Sources,
    Table,
    Verbatim,
    plain,
)

_ROW_MARKS = {">": "ship", "x": "vetoed"}


def _said(text: str) -> str:
    """Text for one line: harmless, then escaped, quotes too."""
    return escape(one_line(text))


def _text(text: str) -> str:
    """Text that keeps its lines: harmless, then escaped."""
    return escape("\n".join(lines_of(text)))


def words(text: str) -> str:
    """Text, escaped."""
    return f"<span>{_said(text)}</span>"


def runline(run_id: str, tags: Sequence[tuple[str, str]], aside: str) -> str:
    """A run in one line: its name, tags as (text, kind), and what else there is to say."""
    found = "".join(tag(text, kind) for text, kind in tags)
    return f'<div class="tor tor-runline">{words(run_id)} {words(aside)}{found}</div>'


def tag(text: str, kind: str) -> str:
    """A small label."""
    return f'<span class="tor-tag tor-{_said(kind)}">{_said(text)}</span>'


def tags(shown: Sequence[tuple[str, str]]) -> str:
    """Small labels in a row, as (text, kind)."""
    return f'<div class="tor tor-runline">{"".join(tag(text, kind) for text, kind in shown)}</div>'


def settings(shown: Sequence[tuple[str, str, str]]) -> str:
    """Names and figures, as (name, figure, mark); '' for no mark."""
    rows = "".join(
        f"<dt>{_said(name)}</dt><dd>{_said(value)}{tag(mark, mark) if mark else ''}</dd>"
        for name, value, mark in shown
    )
    return f'<div class="tor"><dl class="tor-facts">{rows}</dl></div>'


def kind_of(basis: str) -> str:
    """The look of a label that names what a price rests on."""
    return {"measured": "measured", "list price": "priced"}.get(basis, "illustrative")


def dot(colour: str) -> str:
    """A spot in an arm's colour."""
    return f'<span class="tor-dot" style="background:{_said(colour)}"></span>'


def table(shown: Table, *, colours: Sequence[str] = (), caption: str = "") -> str:
    """A table with its notes.

    Args:
        colours: by row, a spot before its name; '' for none.
        caption: read by screen readers and shown above.
    """
    heads = [_one_head(column) for column in shown.columns]
    top = "".join(_head(column) for column in shown.columns)
    rows = []
    for number, row in enumerate(shown.rows):
        colour = colours[number] if number < len(colours) else ""
        rows.append(_row(row, shown.columns, heads, colour))
    said = f"<caption>{_said(caption)}</caption>" if caption else ""
    body = f"<thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody>"
    under = _notes(shown.notes)
    return f'<div class="tor"><table class="tor-table">{said}{body}</table>{under}</div>'


def notes(texts: Iterable[str]) -> str:
    """What a reader needs to read a figure, small, below it."""
    return f'<div class="tor">{_notes(texts)}</div>'


def _notes(texts: Iterable[str]) -> str:
    found = "".join(f"<li>{_said(text)}</li>" for text in texts)
    return f'<ul class="tor-notes">{found}</ul>' if found else ""


def facts(shown: Sequence[Fact]) -> str:
    """Names and what is said under them."""
    rows = "".join(
        f'<dt>{_said(fact.label)}</dt><dd class="tor-{fact.tone}">{_said(plain(fact.text))}</dd>'
        for fact in shown
    )
    return f'<div class="tor"><dl class="tor-facts">{rows}</dl></div>'


def answer_card(question: str, answer: str, because: Sequence[str], tone: str, tags: str = "") -> str:
    """The answer to a question, large.

    Args:
        tone: 'good', 'warn', 'plain' or 'faint'.
        tags: markup made by `tag`.
    """
    reasons = "".join(f"<p>{_said(text)}</p>" for text in because if text)
    return (
        f'<div class="tor"><section class="tor-answer tor-{_said(tone)}">'
        f'<div class="tor-question">{_said(question)}{tags}</div>'
        f'<div class="tor-said">{_said(answer)}</div>{reasons}</section></div>'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A large figure: its name, what it rests on, and a label where it was not measured."""

    name: str
    value: str
    basis: str = ""
    mark: str = ""


def figures(shown: Sequence[Figure]) -> str:
    """A row of large figures."""
    cards = "".join(
        f'<div class="tor-figure"><div class="tor-name">{_said(one.name)}</div>'
        f'<div class="tor-value">{_said(one.value)}</div>'
        f'<div class="tor-basis">{tag(one.mark, kind_of(one.mark)) if one.mark else ""}'
        f"{_said(one.basis)}</div></div>"
        for one in shown
    )
    return f'<div class="tor"><div class="tor-figures">{cards}</div></div>'


def bars(shown: Sequence[tuple[str, int, int | None, int]]) -> str:
    """How far things are: (name, done, of how many, failed of those)."""
    rows = []
    for name, done, total, failed in shown:
        share = min(100.0, 100 * done / total) if total else 0.0
        of = f"{done:,} of {total:,}" if total is not None else f"{done:,}, rows not read yet"
        words = f"{of}{f', {failed:,} failed' if failed else ''}"
        rows.append(
            f'<div class="tor-bar"><div><span>{_said(name)}</span><span>{words}</span></div>'
            f'<div class="tor-track"><div style="width:{share:.1f}%"></div></div></div>'
        )
    return f'<div class="tor">{"".join(rows)}</div>'


def legend(shown: Sequence[tuple[str, str]]) -> str:
    """Names with their colours, for charts that cannot name their lines."""
    found = "".join(f"<span>{dot(colour)}{_said(name)}</span>" for name, colour in shown)
    return f'<div class="tor"><div class="tor-legend">{found}</div></div>'


def lead(text: str) -> str:
    """A sentence before what it is about."""
    return f'<div class="tor"><p class="tor-lead">{_said(text)}</p></div>'


def item(head: str, label: str, tags: str, text: str) -> str:
    """An item: its name, its right label, its text as it is.

    Args:
        tags: markup made by `tag`.
    """
    return (
        f'<div class="tor"><div class="tor-itemhead"><b>{_said(head)}</b>'
        f"<span>right label: <b>{_said(label)}</b></span>{tags}</div>"
        f'<div class="tor-text">{_text(text)}</div></div>'
    )


def answers(rows: Sequence[tuple[str, str, str, str, str, str, str]]) -> str:
    """Every arm's answer: (arm, colour, right/wrong/failed, answer, raw text, confidence, time)."""
    found = []
    for arm, colour, mark, given, raw, sure, took in rows:
        under = f"<small>raw answer: {_said(raw)}</small>" if raw else ""
        aside = ", ".join(part for part in (f"confidence {sure}" if sure else "", took) if part)
        found.append(
            f'<li class="tor-{_said(mark)}"><span>{dot(colour)}{_said(arm)}</span>'
            f"<span>{tag(mark, mark)}<b>{_said(given)}</b>{under}</span>"
            f"<small>{_said(aside)}</small></li>"
        )
    return f'<div class="tor"><ul class="tor-answers">{"".join(found)}</ul></div>'


def retrieved(rows: Sequence[tuple[int, str, str, str]], label: str) -> str:
    """Training items an arm was shown: (rank, id, label, text); those with the item's label are marked."""
    found = []
    for rank, item_id, theirs, text in rows:
        kind = "same" if theirs == label else "plain"
        found.append(
            f'<li><div class="tor-itemhead"><b>{rank}. {_said(item_id)}</b>'
            f'{tag(theirs, kind)}</div><div class="tor-text">{_text(text)}</div></li>'
        )
    return f'<div class="tor"><ol class="tor-near">{"".join(found)}</ol></div>'


def bullets(items: Iterable[str], tone: str = "plain") -> str:
    """A list."""
    found = "".join(f"<li>{_said(item)}</li>" for item in items)
    return f'<div class="tor"><ul class="tor-list tor-{_said(tone)}">{found}</ul></div>'


def block(shown: Block) -> str:
    """Any block of a report."""
    match shown:
        case Table():
            return table(shown)
        case Facts():
            head = f'<div class="tor tor-name">{_said(shown.label)}</div>' if shown.label else ""
            return head + facts(shown.rows)
        case Paragraph():
            return f'<div class="tor"><p class="tor-{shown.tone}">{_said(plain(shown.text))}</p></div>'
        case Bullets():
            head = f'<div class="tor tor-name">{_said(shown.label)}</div>' if shown.label else ""
            return head + bullets(map(plain, shown.items), shown.tone)
        case Recommendation():
            why = list(map(plain, shown.reasons))
            return answer_card("What to do", shown.headline, why, shown.tone) + facts(shown.facts)
        case Chart() | Sources():
            return ""  # a page draws its own
        case Command():
            return (
                f'<div class="tor"><div class="tor-command"><code>{_said(shown.command)}</code>'
                f"<span>{_said(shown.purpose)}</span></div></div>"
            )
        case Verbatim():
            text = _text(shown.text)
            return f'<div class="tor"><div class="tor-name">{_said(shown.label)}</div><pre>{text}</pre></div>'
        case _:
            assert_never(shown)


def _one_head(column: Column) -> str:
    """A column's head in one line: 'in-' over 'valid' is 'invalid'."""
    return " ".join(part for part in column.head if part).replace("- ", "")


def _head(column: Column) -> str:
    first, *rest = column.head
    under = "".join(f"<small>{_said(part)}</small>" for part in rest if part)
    side = "tor-right" if column.right else "tor-left"
    return f'<th scope="col" class="{side}">{_said(first)}{under}</th>'


def _row(row: Row, columns: Sequence[Column], heads: Sequence[str], colour: str) -> str:
    cells = []
    for number, (cell, column) in enumerate(zip(row.cells, columns, strict=True)):
        lead = number == 0
        side = "tor-right" if column.right else "tor-left"
        inside = _cell(cell)
        if lead:
            spot = dot(colour) if colour else ""
            mark = _ROW_MARKS.get(row.mark, "")
            inside = f"{spot}<span>{inside}{tag(mark, mark) if mark else ''}</span>"
            cells.append(f'<th scope="row" class="{side}">{inside}</th>')
        else:
            head = _said(heads[number])
            cells.append(f'<td class="{side}" data-head="{head}"><span>{inside}</span></td>')
    return f'<tr class="tor-{row.tone}">{"".join(cells)}</tr>'


def _cell(cell: Cell) -> str:
    under = f"<small>{_said(cell.detail)}</small>" if cell.detail else ""
    return f"{_said(cell.text)}{under}"
