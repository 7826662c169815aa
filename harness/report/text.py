"""A view as text for a terminal: fixed layout, readable from 80 columns on, ASCII apart from the data.

The layout is made here, line by line, so that a piped report and one on a terminal hold the same words;
rich only adds colour. Nothing in a view is ever read as markup.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO, assert_never

from harness.report.view import (
    Block,
    Bullets,
    Column,
    Command,
    Fact,
    Section,
    Sentence,
    Table,
    Tone,
    Verbatim,
    View,
)

MIN_WIDTH, MAX_WIDTH, DEFAULT_WIDTH = 60, 120, 100
_GAP = 2
_LABEL = 15
_COMMAND = 48
_QUOTE = "    | "


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of output and how it is meant."""

    text: str
    tone: Tone = "plain"
    title: bool = False


def render_text(view: View, width: int = DEFAULT_WIDTH, *, full: bool = False) -> str:
    """The view as plain text; the same view and width always give the same text.

    Args:
        width: columns; kept within `MIN_WIDTH` and `MAX_WIDTH`.
        full: the detail sections too.
    """
    return "\n".join(line.text for line in lay_out(view, width, full=full)) + "\n"


def print_view(view: View, stream: TextIO, *, width: int | None = None, full: bool = False) -> None:
    """Write a view to a stream, in colour on a terminal that takes it.

    Characters that the stream cannot encode are written as escapes, never an error.

    Args:
        width: None for the terminal's own, or `DEFAULT_WIDTH` where there is none.
    """
    if not stream.isatty():
        stream.write(_encodable(render_text(view, width or DEFAULT_WIDTH, full=full), stream))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lay_out(view, width or console.width, full=full):
        console.print(Text(_encodable(line.text, stream), style=_style(line)))


def lay_out(view: View, width: int, *, full: bool = False) -> list[Line]:
    """The lines of a view."""
    room = max(MIN_WIDTH, min(width, MAX_WIDTH))
    lines = [Line(text=view.title, title=True), Line(text="=" * min(room, _width(view.title)))]
    for section in view.sections:
        if full or not section.detail:
            lines += _section(section, room)
    return lines


def _section(section: Section, width: int) -> Iterator[Line]:
    yield Line(text="")
    yield Line(text=section.title, title=True)
    yield Line(text="-" * _width(section.title))
    for block in section.blocks:
        yield from _block(block, width)


def _block(block: Block, width: int) -> Iterator[Line]:
    match block:
        case Table():
            yield from _table(block, width)
        case Fact(label=label, text=text, tone=tone):
            yield from _fact(label, text, tone, width)
        case Sentence(text=text, tone=tone):
            yield from (Line(text=line, tone=tone) for line in _wrap(text, width))
        case Bullets(label=label, items=items, tone=tone):
            if label:
                yield Line(text=f"{label}:")
            for item in items:
                yield from (Line(text=line, tone=tone) for line in _wrap(item, width, first="  - "))
        case Command(command=command, purpose=purpose):
            yield from _command(command, purpose, width)
        case Verbatim(label=label, lines=lines):
            yield Line(text=f"{label}:")
            for line in lines:
                yield from (Line(text=f"{_QUOTE}{part}".rstrip()) for part in _cut(line, width - len(_QUOTE)))
        case _:
            assert_never(block)


def _fact(label: str, text: str, tone: Tone, width: int) -> Iterator[Line]:
    head = f"{label}:".ljust(_LABEL)
    if len(head) > _LABEL:
        head += " "
    rest = " " * (_LABEL if len(head) <= _LABEL else 2)
    yield from (Line(text=line, tone=tone) for line in _wrap(text, width, first=head, rest=rest))


def _command(command: str, purpose: str, width: int) -> Iterator[Line]:
    """The command and what it is for on one line if they fit, else above it; a command is never broken."""
    beside = f"  {command.ljust(_COMMAND)}  # {purpose}"
    if len(beside) <= width:
        yield Line(text=beside)
        return
    yield from (Line(text=line) for line in _wrap(purpose, width, first="  # ", rest="  # "))
    yield Line(text=f"  {command}")


def _table(table: Table, width: int) -> Iterator[Line]:
    texts = [[_clipped(cell.whole, width - 4) for cell in row.cells] for row in table.rows]
    sizes = [
        max(*map(_width, column.head), 0, *(_width(row[number]) for row in texts))
        for number, column in enumerate(table.columns)
    ]
    marked = 2 if any(row.mark for row in table.rows) else 0
    if marked + sum(sizes) + _GAP * (len(sizes) - 1) <= width:
        yield from _one_line_rows(table, texts, sizes)
    else:
        yield from _stacked_rows(table, texts, sizes, width)
    for note in table.notes:
        yield from (Line(text=line, tone="faint") for line in _wrap(note, width, first="  ", rest="    "))


def _one_line_rows(table: Table, texts: Sequence[Sequence[str]], sizes: Sequence[int]) -> Iterator[Line]:
    indent = "  " if any(row.mark for row in table.rows) else ""
    yield from _heads(table.columns, sizes, indent)
    for row, cells in zip(table.rows, texts, strict=True):
        start = row.mark.ljust(2) if indent else ""
        yield Line(text=start + _joined(cells, table.columns, sizes), tone=row.tone)


def _stacked_rows(
    table: Table, texts: Sequence[Sequence[str]], sizes: Sequence[int], width: int
) -> Iterator[Line]:
    """Each row's name on a line of its own, its figures below; for narrow terminals and long names."""
    columns, sizes = table.columns[1:], sizes[1:]
    indent = "    "
    groups = list(_fitting(sizes, width - len(indent)))
    if len(groups) == 1:
        yield from _heads(columns, sizes, indent)
    for row, cells in zip(table.rows, texts, strict=True):
        start = f"{row.mark} " if row.mark else ""
        yield from (Line(text=line, tone=row.tone) for line in _wrap(start + cells[0], width, rest="    "))
        for group in groups:
            if len(groups) > 1:
                yield from _heads(columns[group], sizes[group], indent)
            figures = _joined(cells[1:][group], columns[group], sizes[group])
            yield Line(text=f"{indent}{figures}".rstrip(), tone=row.tone)


def _fitting(sizes: Sequence[int], room: int) -> Iterator[slice]:
    """Columns in as many bands as it takes."""
    start, used = 0, 0
    for number, size in enumerate(sizes):
        needed = size + (_GAP if used else 0)
        if used and used + needed > room:
            yield slice(start, number)
            start, used, needed = number, 0, size
        used += needed
    yield slice(start, len(sizes))


def _heads(columns: Sequence[Column], sizes: Sequence[int], indent: str) -> Iterator[Line]:
    for level in range(max(len(column.head) for column in columns)):
        words = [column.head[level] if level < len(column.head) else "" for column in columns]
        line = indent + _joined(words, columns, sizes)
        if line.strip():
            yield Line(text=line, title=True)
    yield Line(text=indent + (" " * _GAP).join("-" * size for size in sizes))


def _joined(cells: Sequence[str], columns: Sequence[Column], sizes: Sequence[int]) -> str:
    padded = []
    for text, column, size in zip(cells, columns, sizes, strict=True):
        blank = " " * (size - _width(text))
        padded.append(blank + text if column.right else text + blank)
    return (" " * _GAP).join(padded).rstrip()


def _clipped(text: str, room: int) -> str:
    """A cell that would break the table is cut, visibly."""
    while _width(text) > room:
        text = f"{text[: max(0, min(len(text), room) - 4)]}..."
    return text


def _wrap(text: str, width: int, first: str = "", rest: str | None = None) -> Iterable[str]:
    hanging = " " * len(first) if rest is None else rest
    lines = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=hanging, break_on_hyphens=False
    )
    return lines or [first.rstrip()]


def _cut(text: str, width: int) -> list[str]:
    """A line in pieces of at most `width` characters, broken at blanks where there are any."""
    return textwrap.wrap(
        text, width, drop_whitespace=False, replace_whitespace=False, break_on_hyphens=False
    ) or [""]


def _width(text: str) -> int:
    """Columns a text takes: wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(bool(unicodedata.combining(character)) for character in text)


def _style(line: Line) -> str:
    if line.title:
        return "bold"
    match line.tone:
        case "plain":
            return ""
        case "good":
            return "bold green"
        case "warn":
            return "yellow"
        case "faint":
            return "dim"
        case _:
            assert_never(line.tone)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="backslashreplace").decode(encoding)
