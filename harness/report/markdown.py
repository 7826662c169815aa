"""A view as Markdown for a pull request. Text from outside stays text: no markup, HTML, link or mention.

Written for GitHub's dialect, where dollar signs start formulas, bare addresses become links, and `@name`
and `#1` notify people: each is broken up without changing what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from harness.report.view import (
    Block,
    Bullets,
    Column,
    Command,
    Fact,
    Section,
    Sentence,
    Table,
    Verbatim,
    View,
)

_BREAK = "<!-- -->"
_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_AT_START = re.compile(r"^(?:(\d+)([.)])|([-+=#]))")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render_markdown(view: View) -> str:
    """The whole view, details folded; the same view always gives the same text."""
    parts = [f"# {escape(view.title)}"]
    for section in view.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that renders as itself wherever it stands, also in a table cell."""
    marked = _MARKUP.sub(r"\\\1", " ".join(text.split()).translate(_ENTITIES))
    marked = _AT_START.sub(lambda hit: f"{hit[1] or ''}\\{hit[2] or hit[3]}", marked)
    marked = re.sub(r"(?i)(https?|ftp)(:)(?=//)", rf"\1\2{_BREAK}", marked)
    marked = re.sub(r"(?i)(www)\.", rf"\1{_BREAK}.", marked)
    marked = re.sub(r"(?<!\w)@|@(?=[\w\\+-]*\.)", f"@{_BREAK}", marked)
    marked = re.sub(r"#(?=\d)", f"#{_BREAK}", marked)
    return marked.replace("$", "&#36;")


def _section(section: Section) -> Iterator[str]:
    if section.detail:
        yield f"<details><summary>{escape(section.title)}</summary>"
    else:
        yield f"## {escape(section.title)}"
    for block in section.blocks:
        yield _block(block)
    if section.detail:
        yield "</details>"


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Fact(label=label, text=text):
            return f"**{escape(label)}:** {escape(text)}"
        case Sentence(text=text):
            return escape(text)
        case Bullets(label=label, items=items):
            lead = f"**{escape(label)}:**\n\n" if label else ""
            return lead + "\n".join(f"- {escape(item)}" for item in items)
        case Command(command=command, purpose=purpose):
            return f"{escape(purpose)}:\n\n{_fenced((command,), 'sh')}"
        case Verbatim(label=label, lines=lines):
            return f"**{escape(label)}:**\n\n{_fenced(lines, 'text')}"
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    heads = [escape(_head(column)) for column in table.columns]
    sides = ["---:" if column.right else ":---" for column in table.columns]
    lines = [_row(heads), _row(sides)]
    for row in table.rows:
        cells = [escape(cell.whole) for cell in row.cells]
        lead = f"{escape(row.mark)} " if row.mark else ""
        lines.append(_row([lead + cells[0], *cells[1:]]))
    notes = "\n".join(f"- {escape(note)}" for note in table.notes)
    return "\n".join(lines) + (f"\n\n{notes}" if notes else "")


def _head(column: Column) -> str:
    """The head on one line, hyphenation undone."""
    return " ".join(part for part in column.head if part).replace("- ", "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fenced(lines: Sequence[str], language: str) -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])
