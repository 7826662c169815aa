"""The blocks of a paper as HTML. Pure; every text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from harness.report.paper import (
    FENCES,
    Block,
    Card,
    Cards,
    Chart,
    Grid,
    Panel,
    Panels,
    Paper,
    Paragraph,
    Part,
    Points,
    References,
    Slider,
    Span,
    Terms,
    Text,
    letter,
)
from harness.report.svg import escape
from harness.report.view import Cell, Column, Row, Table


def summary_html(paper: Paper) -> str:
    """What stands under the headline."""
    return "".join(_block(block, paper) for block in paper.summary)


def parts_html(paper: Paper, parts: Iterable[Part]) -> str:
    """Parts with their headings."""
    return "".join(_part(part, paper) for part in parts)


def spans(text: Text) -> str:
    """Running text with its references."""
    return "".join(map(_span, text))


def table_html(table: Table, caption: str = "", refs: Sequence[Sequence[int]] = ()) -> str:
    """A table; on a narrow screen each row becomes a card, its cells under the names of their columns."""
    cited = (*refs, *(() for _ in table.columns))
    head = "".join(
        f'<th{_side(column)} scope="col">{_head(column)}{_refs(numbers)}</th>'
        for column, numbers in zip(table.columns, cited, strict=False)
    )
    rows = "".join(_row(row, table.columns) for row in table.rows)
    name = f' aria-label="{escape(caption)}"' if caption else ""
    notes = "".join(f"<li>{words(note)}</li>" for note in table.notes)
    below = f'<ul class="notes">{notes}</ul>' if notes else ""
    whole = f"<table{name}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'{_label(caption)}<div class="scroll">{whole}</div>{below}'


def _part(part: Part, paper: Paper) -> str:
    lead = f'<p class="lead">{spans(part.lead)}</p>' if part.lead else ""
    blocks = "".join(_block(block, paper) for block in part.blocks)
    return f'<section id="{escape(part.key)}"><h2>{escape(part.title)}</h2>{lead}{blocks}</section>'


def _block(block: Block, paper: Paper) -> str:
    match block:
        case Paragraph(text=text, mood=mood):
            return f'<p class="{"notice" if mood in {"warn", "bad"} else "text"}">{spans(text)}</p>'
        case Cards(cards=cards):
            return f'<div class="cards">{"".join(map(_card, cards))}</div>'
        case Panels(panels=panels):
            return f'<div class="panels">{"".join(map(_panel, panels))}</div>'
        case Chart():
            return _chart(block)
        case Grid():
            return table_html(block.table, block.caption, block.refs)
        case Points(items=items, label=label):
            return _label(label) + f"<ul>{''.join(f'<li>{spans(item)}</li>' for item in items)}</ul>"
        case Terms(rows=rows, label=label):
            pairs = "".join(f"<dt>{escape(name)}</dt><dd>{spans(text)}</dd>" for name, text in rows)
            return f"{_label(label)}<dl>{pairs}</dl>"
        case References():
            return _references(paper)
        case Slider():
            return _slider(block)
        case _:
            assert_never(block)


def _span(span: Span) -> str:
    text = words(span.text)
    shown = f"<strong>{text}</strong>" if span.strong else text
    mark = f' <span class="mark">{escape(span.mark)}</span>' if span.mark else ""
    return f"{shown}{mark}{_refs(span.refs)}"


def words(text: str) -> str:
    """Text as HTML, blanks at its ends kept, what runs from right to left on its own."""
    pieces = re.split(f"[{FENCES}]", text)
    shown = "".join(
        f"<bdi>{escape(piece)}</bdi>" if place % 2 else _with_ends(piece)
        for place, piece in enumerate(pieces)
    )
    return shown


def _with_ends(text: str) -> str:
    before = " " if text[:1].isspace() else ""
    after = " " if len(text) > 1 and text[-1:].isspace() else ""
    shown = escape(text).replace("_", "_<wbr>")  # long names may break at their joints
    return f"{before}{shown}{after}"


def _refs(refs: Sequence[int]) -> str:
    links = ",".join(f'<a href="#ref-{number}">{letter(number)}</a>' for number in refs)
    return f"<sup>{links}</sup>" if links else ""


LONG_VALUE = 10
"""Characters from which on a card's value is words and not a figure, and is set smaller."""


def _card(card: Card) -> str:
    value = _span(Span(text=card.value.text, refs=card.value.refs))
    mark = f'<span class="mark">{escape(card.value.mark)}</span> ' if card.value.mark else ""
    size = " long" if len(card.value.text) > LONG_VALUE else ""
    return (
        f'<div class="card {card.mood}"><div class="label">{escape(card.label)}</div>'
        f'<div class="value{size}">{value}</div><div class="note">{mark}{spans(card.note)}</div></div>'
    )


def _panel(panel: Panel) -> str:
    lines = "".join(f"<p>{spans(line)}</p>" for line in panel.lines)
    return f'<div class="panel {panel.mood}"><h3>{escape(panel.title)}</h3>{lines}</div>'


def _chart(chart: Chart) -> str:
    svg = chart.svg.replace("<svg ", f'<svg role="img" aria-label="{escape(chart.alt)}" ', 1)
    return (
        f'<figure id="chart-{escape(chart.key)}"><div class="drawing">{svg}</div>'
        f"<figcaption>{spans(chart.caption)}</figcaption></figure>"
    )


def _slider(slider: Slider) -> str:
    names = "".join(f"<span>{escape(head)}: <output></output></span>" for head in slider.heads)
    head = "".join(f"<th>{escape(name)}</th>" for name in slider.heads)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in slider.rows)
    return (
        f'<div class="slider" data-of="{escape(slider.of)}"><label>{escape(slider.label)}'
        f'<input type="range" min="0" max="{len(slider.rows) - 1}" step="1" value="{slider.start}"></label>'
        f'<div class="now">{names}</div><details><summary>all stored points</summary>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details></div>"
    )


def _references(paper: Paper) -> str:
    items = "".join(
        f'<li id="ref-{number}">{words(source)}</li>'
        for number, source in enumerate(paper.references, start=1)
    )
    return f'<ol class="references">{items}</ol>'


def _row(row: Row, columns: Sequence[Column]) -> str:
    cells = "".join(
        f"<td{_side(column)}{_named(column)}><span>{_cell(cell, row.mark if place == 0 else '')}</span></td>"
        for place, (cell, column) in enumerate(zip(row.cells, columns, strict=True))
    )
    arm = f' data-arm="{escape(row.key)}"' if row.key else ""
    return f'<tr class="{row.tone}"{arm}>{cells}</tr>'


def _cell(cell: Cell, mark: str) -> str:
    interval = f"<small>{words(cell.interval)}</small>" if cell.interval else ""
    return f"{escape(mark) + ' ' if mark else ''}{words(cell.text)}{interval}"


def _head(column: Column) -> str:
    return "<br>".join(escape(part) for part in column.head if part)


def _named(column: Column) -> str:
    name = " ".join(part for part in column.head if part)
    return f' data-head="{escape(name)}"' if name else ""


def _side(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _label(label: str) -> str:
    return f"<h3>{escape(label)}</h3>" if label else ""
