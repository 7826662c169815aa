"""A document as one HTML file that needs no network. Pure but for its own files.

All text is escaped; a policy in the page's head lets nothing run or load but the style and script that
stand in it, which are named by their digests. Without scripts the page says the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import assert_never

from harness.core.wording import lines_of
from harness.report.charts import NARROW, WIDE, IntervalChart, draw
from harness.report.context import PLAIN, Branding
from harness.report.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Command,
    Document,
    Facts,
    Paragraph,
    RecommendationBlock,
    Row,
    Section,
    Sources,
    Span,
    Table,
    Text,
    Verbatim,
    blocks_of,
    day_words,
    letter,
    pieces,
    sources_of,
    spans,
)
from harness.report.svg import escape

_UNIT = re.compile(r"(\d) (%|ms\b|points?\b)")
_STATES = {"measured": "", "prediction": "PREDICTION", "incomplete": "INCOMPLETE RUN"}
_IMAGE = {"png": "image/png", "jpg": "image/jpeg", "svg": "image/svg+xml"}


def render_html(document: Document, branding: Branding = PLAIN) -> str:
    """The whole page; the same document always gives the same text."""
    style, script = _own("page.css"), _own("page.js")
    writer = Writer(numbers=sources_of(document))
    shown = [section for section in document.sections if not section.folded]
    folded = [section for section in document.sections if section.folded]
    body = [
        _top(document, branding),
        "<main>",
        f'<p class="kicker"><b>{escape(document.title)}</b> {words(document.subject)}</p>',
        ""
        if any(isinstance(b, RecommendationBlock) for b in blocks_of(document))
        else f"<h1>{escape(document.title)}</h1>",
        writer.sections(shown[:1]),
        _controls(document),
        writer.sections(shown[1:]),
        '<h2 id="details">Every figure behind it</h2>' if folded else "",
        writer.sections(folded),
        f"<footer>{escape(document.running)}</footer></main>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">\n'
        f'<meta name="description" content="{escape(document.headline)}">\n'
        f"<title>{escape(f'{document.title}: {document.subject}')}</title>\n"
        f"<style>{style}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + f"\n<script>{script}</script>\n</body></html>\n"
    )


def words(text: str) -> str:
    """Text as HTML, blanks at its ends kept, what runs from right to left on its own."""
    return "".join(
        f"<bdi>{escape(piece)}</bdi>" if fenced else _with_ends(piece) for piece, fenced in pieces(text)
    )


def _with_ends(text: str) -> str:
    before = " " if text[:1].isspace() else ""
    after = " " if len(text) > 1 and text[-1:].isspace() else ""
    whole = _UNIT.sub("\\1\u00a0\\2", escape(text))  # a figure and its unit stay on one line
    return f"{before}{whole.replace('_', '_<wbr>')}{after}"  # long names may break at their joints


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Blocks to HTML, with the numbers of the sources they cite; a source without one is not named."""

    numbers: Mapping[str, int]

    def sections(self, sections: Iterable[Section]) -> str:
        """Sections with their headings; folded ones closed."""
        return "\n".join(map(self._section, sections))

    def _section(self, section: Section) -> str:
        key, title = escape(section.key), escape(section.title)
        blocks = "".join(map(self.block, section.blocks))
        if section.folded:
            return f'<details id="{key}"><summary>{title}</summary>{self._lead(section)}{blocks}</details>'
        return f'<section id="{key}">{self.heading(section)}{blocks}</section>'

    def heading(self, section: Section) -> str:
        """A section's title and lead; a recommendation is its own title."""
        first = section.blocks[0] if section.blocks else None
        head = "" if isinstance(first, RecommendationBlock) else f"<h2>{escape(section.title)}</h2>"
        return head + self._lead(section)

    def _lead(self, section: Section) -> str:
        return f'<p class="lead">{self._spans(section.lead)}</p>' if section.lead else ""

    def block(self, block: Block) -> str:
        """One block, its text escaped."""
        match block:
            case RecommendationBlock():
                return self._recommendation(block)
            case Paragraph(text=text, tone=tone):
                return f'<p class="{"notice" if tone in {"warn", "bad"} else "text"}">{self._spans(text)}</p>'
            case Bullets(items=items, label=label):
                return f"{_label(label)}<ul>{''.join(f'<li>{self._spans(item)}</li>' for item in items)}</ul>"
            case Facts():
                return self._facts(block)
            case Table():
                return self._table(block)
            case Chart():
                return self._chart(block)
            case Command(command=command, purpose=purpose):
                return f"<p>{escape(purpose)}</p><pre>{escape(command)}</pre>"
            case Verbatim(label=label):
                return f'{_label(label)}<pre class="said">{_as_it_was(block)}</pre>'
            case Sources():
                listed = "".join(
                    f'<li id="ref-{number}">{words(source)}</li>' for source, number in self.numbers.items()
                )
                return f'<ol class="references">{listed}</ol>'
            case _:
                assert_never(block)

    def _recommendation(self, block: RecommendationBlock) -> str:
        listed = "".join(f"<li>{self._spans(reason)}</li>" for reason in block.reasons)
        alone = "".join(f'<p class="lead">{self._spans(reason)}</p>' for reason in block.reasons)
        reasons = alone if len(block.reasons) == 1 else f'<ol class="reasons">{listed}</ol>'
        tiles = "".join(
            f'<div class="card {fact.tone}"><div class="label">{escape(fact.label)}</div>'
            f'<div class="value">{self._spans(fact.text)}</div></div>'
            for fact in block.tiles
        )
        return (
            f'<h1 class="{block.tone}">{words(block.headline)}</h1>{reasons}'
            + (f'<div class="cards">{tiles}</div>' if tiles else "")
            + (self._facts(Facts(rows=block.lines)) if block.lines else "")
        )

    def _facts(self, block: Facts) -> str:
        rows = "".join(
            f'<dt>{escape(fact.label)}</dt><dd class="{fact.tone}">{self._spans(fact.text)}</dd>'
            for fact in block.rows
        )
        return f"{_label(block.label)}<dl>{rows}</dl>"

    def _table(self, table: Table) -> str:
        """On a narrow screen each row becomes a card, its cells under the names of their columns."""
        head = "".join(
            f'<th{_side(column)} scope="col">{_head(column)}{self._refs(column.sources)}</th>'
            for column in table.columns
        )
        rows = "".join(_row(row, table.columns) for row in table.rows)
        name = f' aria-label="{escape(table.caption)}"' if table.caption else ""
        notes = "".join(f"<li>{words(note)}</li>" for note in table.notes)
        below = f'<ul class="notes">{notes}</ul>' if notes else ""
        whole = f"<table{name}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f'{_label(table.caption)}<div class="scroll">{whole}</div>{below}'

    def _chart(self, chart: Chart) -> str:
        wide, narrow = (draw(chart.key, chart.spec, chart.alt, width) for width in (WIDE, NARROW))
        return (
            f'<figure id="chart-{escape(chart.key)}"><div class="drawing wide">{wide}</div>'
            f'<div class="drawing narrow">{narrow}</div>'
            f"{self.caption(chart)}</figure>{_slider(chart)}"
        )

    def caption(self, chart: Chart) -> str:
        """What a chart shows."""
        return f"<figcaption>{self._spans(chart.caption)}</figcaption>"

    def _spans(self, text: Text) -> str:
        return "".join(map(self._span, spans(text)))

    def _span(self, span: Span) -> str:
        text = words(span.text)
        shown = f"<strong>{text}</strong>" if span.strong else text
        refs = self._refs(span.sources)
        mark = f' <span class="mark">{escape(span.mark)}</span>' if span.mark else ""
        return shown + refs + mark

    def _refs(self, sources: Sequence[str]) -> str:
        cited = (self.numbers[source] for source in sources if source in self.numbers)
        links = ",".join(f'<a href="#ref-{number}">{letter(number)}</a>' for number in cited)
        return f"<sup>{links}</sup>" if links else ""


def _as_it_was(block: Verbatim) -> str:
    """A text with its line breaks, the pieces that are to be seen first marked."""
    shown, done = "", 0
    for start, end in block.marked:
        shown += f"{_piece(block.text[done:start])}<mark>{_piece(block.text[start:end])}</mark>"
        done = end
    return shown + "&#10;".join(map(escape, lines_of(block.text[done:])))


def _piece(text: str) -> str:
    """A piece of a text, blanks at its end kept."""
    return "&#10;".join(map(escape, lines_of(f"{text}|"))).removesuffix("|")


def _slider(chart: Chart) -> str:
    """Stored points to move along where scripts run; without them they stand in a folded table."""
    stops = chart.stops
    if stops is None:
        return ""
    heads = [escape(column.name) for column in stops.columns]
    names = "".join(f"<span>{head}: <output></output></span>" for head in heads)
    head = "".join(f"<th>{head}</th>" for head in heads)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell.text)}</td>' for cell in row.cells)}</tr>" for row in stops.rows
    )
    return (
        f'<div class="slider" data-of="{escape(chart.key)}"><label>{escape(stops.caption)}'
        f'<input type="range" min="0" max="{len(stops.rows) - 1}" step="1" value="{chart.start}"></label>'
        f'<div class="now">{names}</div><details><summary>all stored points</summary>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details></div>"
    )


def _row(row: Row, columns: Sequence[Column]) -> str:
    cells = "".join(
        f"<td{_side(column)}{_named(column)}><span>{_cell(cell, row.mark if place == 0 else '')}</span></td>"
        for place, (cell, column) in enumerate(zip(row.cells, columns, strict=True))
    )
    arm = f' data-arm="{escape(row.key)}"' if row.key else ""
    return f'<tr class="{row.tone}"{arm}>{cells}</tr>'


def _cell(cell: Cell, mark: str) -> str:
    detail = f"<small>{words(cell.detail)}</small>" if cell.detail else ""
    return f"{escape(mark) + ' ' if mark else ''}{words(cell.text)}{detail}"


def _head(column: Column) -> str:
    return "<br>".join(escape(part) for part in column.head if part)


def _named(column: Column) -> str:
    return f' data-head="{escape(column.name)}"' if column.name else ""


def _side(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _label(label: str) -> str:
    return f"<h3>{escape(label)}</h3>" if label else ""


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _own(name: str) -> str:
    return resources.files("harness.report").joinpath("layout", name).read_text(encoding="utf-8")


def _top(document: Document, branding: Branding) -> str:
    name = f"<strong>{words(document.company or 'Tune or Retrieve')}</strong>"
    if branding.logo:
        data = base64.b64encode(branding.logo).decode()
        alt = escape(document.company or "Logo")
        name = f'<img src="data:{_IMAGE[branding.logo_kind]};base64,{data}" alt="{alt}">'
    word = _STATES[document.state]
    state = f'<b class="state {document.state}">{word}</b>' if word else ""
    day = escape(day_words(document.day.date()))
    switch = '<button type="button" data-theme-switch hidden>light / dark</button>'
    return f'<header class="top">{name}<span>{state}{day} {switch}</span></header>'


def _controls(document: Document) -> str:
    """What charts and tables can be switched by: the rows of the first chart that names them."""
    specs = (block.spec for block in blocks_of(document) if isinstance(block, Chart))
    rows = next((spec.rows for spec in specs if isinstance(spec, IntervalChart)), ())
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{escape(row.key)}"> {escape(row.label)}</label>'
        for row in rows
        if row.key
    )
    return (
        f'<div class="controls" role="group" aria-label="Show in charts and tables">{boxes}</div>'
        if boxes
        else ""
    )
