"""A document as Markdown for a pull request. Text from outside stays text: no markup, HTML, link or mention.

Written for GitHub's dialect, where dollar signs start formulas, bare addresses become links, and `@name`
and `#1` notify people: each is broken up without changing what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from harness.core.wording import lines_of, one_line
from harness.report.document import (
    Block,
    Bullets,
    Chart,
    Command,
    Document,
    Facts,
    Paragraph,
    RecommendationBlock,
    Section,
    Sources,
    Table,
    Text,
    Verbatim,
    plain,
    sources_of,
)

_BREAK = "<!-- -->"
_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_AT_START = re.compile(r"^(?:(\d+)([.)])|([-+=#]))")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render_markdown(document: Document) -> str:
    """The whole document, its folded sections folded; the same document always gives the same text."""
    parts = [f"# {escape(document.title)}"]
    for section in document.sections:
        parts += _section(section, document)
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text that renders as itself wherever it stands, also in a table cell."""
    marked = _MARKUP.sub(r"\\\1", one_line(text).translate(_ENTITIES))
    marked = _AT_START.sub(lambda hit: f"{hit[1] or ''}\\{hit[2] or hit[3]}", marked)
    marked = re.sub(r"(?i)(https?|ftp)(:)(?=//)", rf"\1\2{_BREAK}", marked)
    marked = re.sub(r"(?i)(www)\.", rf"\1{_BREAK}.", marked)
    marked = re.sub(r"(?<!\w)@|@(?=[\w\\+-]*\.)", f"@{_BREAK}", marked)
    marked = re.sub(r"#(?=\d)", f"#{_BREAK}", marked)
    return marked.replace("$", "&#36;")


def _section(section: Section, document: Document) -> Iterator[str]:
    title = escape(section.title)
    yield f"<details><summary>{title}</summary>" if section.folded else f"## {title}"
    if section.lead:
        yield _said(section.lead)
    drawn = all(isinstance(block, Chart) for block in section.blocks)
    for block in section.blocks:
        shown = Paragraph(text=block.alt) if drawn and isinstance(block, Chart) else block
        yield _block(shown, document)
    if section.folded:
        yield "</details>"


def _block(block: Block, document: Document) -> str:
    match block:
        case Table():
            return _label(block.caption) + _table(block)
        case Facts(rows=rows, label=label):
            return _label(label) + "\n\n".join(f"**{escape(row.label)}:** {_said(row.text)}" for row in rows)
        case Paragraph(text=text):
            return _said(text)
        case Bullets(label=label, items=items):
            return _label(label) + "\n".join(f"- {_said(item)}" for item in items)
        case RecommendationBlock(headline=headline, reasons=reasons, facts=facts):
            why = "\n".join(f"{number}. {_said(reason)}" for number, reason in enumerate(reasons, start=1))
            return "\n\n".join((f"**{escape(headline)}**", why, _block(Facts(rows=facts), document)))
        case Command(command=command, purpose=purpose):
            return f"{escape(purpose)}:\n\n{_fenced((one_line(command),), 'sh')}"
        case Verbatim(label=label, text=text):
            return _label(label) + _fenced(lines_of(text), "text")
        case Sources():
            return "\n".join(f"- {escape(source)}" for source in sources_of(document))
        case Chart():
            return ""
        case _:
            assert_never(block)


def _said(text: Text) -> str:
    return escape(plain(text))


def _label(label: str) -> str:
    return f"**{escape(label)}:**\n\n" if label else ""


def _table(table: Table) -> str:
    heads = [escape(column.name) for column in table.columns]
    sides = ["---:" if column.right else ":---" for column in table.columns]
    lines = [_row(heads), _row(sides)]
    for row in table.rows:
        cells = [escape(cell.whole) for cell in row.cells]
        lead = f"{escape(row.mark)} " if row.mark else ""
        lines.append(_row([lead + cells[0], *cells[1:]]))
    notes = "\n".join(f"- {escape(note)}" for note in table.notes)
    return "\n".join(lines) + (f"\n\n{notes}" if notes else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fenced(lines: Sequence[str], language: str) -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])
