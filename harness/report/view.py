"""What a format shows, as plain records: sections of blocks, every figure already worded.

Terminal, Markdown and later pages walk the same `View`, so they cannot disagree; a format decides on
layout and escaping only. All text here is harmless for a terminal (`harness.core.wording.one_line`); each
format still escapes its own markup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.core.errors import command as command_line
from harness.core.wording import one_line

CommandOn = Callable[..., str]
"""Verb and further words -> a command on one run, to be pasted as it stands."""

Tone = Literal["plain", "good", "warn", "faint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One figure or name of a table.

    Attributes:
        text: what is read first.
        interval: its bounds, '' without.
        n: its denominator, None where it has none.
        source: what it rests on, for formats with room for references.
    """

    text: str
    interval: str = ""
    n: int | None = None
    source: str = ""

    @property
    def whole(self) -> str:
        """Text and interval together."""
        return f"{self.text} ({self.interval})" if self.interval else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its head in up to two lines, and to which side its cells lean."""

    head: tuple[str, ...]
    right: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; `mark` is one character before it, explained in the table's notes; `key` names its arm."""

    cells: tuple[Cell, ...]
    mark: str = ""
    tone: Tone = "plain"
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table. Its first column names the row.

    Attributes:
        notes: what a reader needs to read it, below it.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what is to be said under it."""

    label: str
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Running text."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """A list under an optional name."""

    label: str = ""
    items: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to run, and what it is for; never broken over lines."""

    command: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbatim:
    """Text shown as it was, line by line, such as a message sent to a model."""

    label: str
    lines: tuple[str, ...]


Block = Table | Fact | Sentence | Bullets | Command | Verbatim


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Blocks under a title.

    Attributes:
        key: short stable name, for anchors and tests.
        detail: True for what a first reading can do without.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    detail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A whole report, in reading order."""

    title: str
    sections: tuple[Section, ...]


def on_run(run_id: str) -> CommandOn:
    """Commands on a run that lies in ./runs, or wherever `TOR_RUNS_DIR` says."""
    return lambda verb, *more: command_line(*verb.split(), one_line(run_id), *more)
