"""What a printed page shows, as plain records: sentences, figures and charts with their references.

The PDF and the HTML page walk the same `Paper`, so they cannot disagree. Every figure is worded before it
comes here; a format decides on layout and escaping only. A reference is a number into `Paper.references`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from harness.core.wording import one_line
from harness.report.view import Table

MOST_CHARACTERS = 90
"""Of a name; a running text may have more."""

FENCES = "\u2068\u2069"
"""Around text that runs from right to left: first strong isolate, pop directional isolate."""

Mood = Literal["plain", "good", "warn", "bad", "faint"]
State = Literal["measured", "prediction", "incomplete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of running text.

    Attributes:
        refs: where its figures come from.
        strong: to be seen at a glance.
        mark: what a figure is when it is no measurement ('list price', 'illustrative', 'predicted').
    """

    text: str
    refs: tuple[int, ...] = ()
    strong: bool = False
    mark: str = ""


Text = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: Text
    mood: Mood = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One figure to remember, with a line under it."""

    label: str
    value: Span
    note: Text = ()
    mood: Mood = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """Figures to remember, side by side."""

    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A titled box."""

    title: str
    lines: tuple[Text, ...]
    mood: Mood = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """Boxes side by side."""

    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing.

    Attributes:
        key: short stable name, for anchors and scripts.
        svg: a whole SVG document (`harness.report.charts`).
        alt: all a reader needs who does not see it.
        caption: what it shows.
    """

    key: str
    svg: str
    alt: str
    caption: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table.

    Attributes:
        refs: by column, under its head.
        shares: relative widths of the columns; empty for what the content asks.
    """

    table: Table
    caption: str
    refs: tuple[tuple[int, ...], ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A list under an optional name."""

    items: tuple[Text, ...]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Names and what is to be said of each, under an optional name."""

    rows: tuple[tuple[str, Text], ...]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """Stored points to move along where a format can; others leave it out.

    Attributes:
        of: the chart whose points these are.
        rows: worded, one a point, under `heads`; `start` is the one shown first.
    """

    of: str
    label: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Here stands the list of references."""


Block = Paragraph | Cards | Panels | Chart | Grid | Points | Terms | Slider | References


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Blocks under a heading.

    Attributes:
        key: short stable name, for anchors and tests.
        lead: one sentence with what the part says, in larger type; () without one.
        fresh: begins on a new page.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: Text = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A whole document.

    Attributes:
        question, subject: the line over the headline, and what the question was asked of.
        headline: the decision, in one sentence; `standfirst` goes on from it.
        summary: what stands on page 1 under the headline.
        notices: what a reader must know before anything else, such as that the run is incomplete.
        running: the line at the foot of every page.
        day: the document's time: when the run finished, or began if it has not.
        references: by number, from 1 on.
    """

    state: State
    title: str
    company: str
    question: str
    subject: str
    headline: str
    standfirst: Text
    notices: tuple[str, ...]
    summary: tuple[Block, ...]
    parts: tuple[Part, ...]
    references: tuple[str, ...]
    running: str
    day: datetime


class Citations:
    """Hands out reference numbers in order of first use; the same source keeps its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def cite(self, *sources: str) -> tuple[int, ...]:
        """The numbers of these sources; empty ones have none."""
        wanted = [source for source in dict.fromkeys(sources) if source]
        return tuple(self._numbers.setdefault(source, len(self._numbers) + 1) for source in wanted)

    @property
    def sources(self) -> tuple[str, ...]:
        """All sources, by number."""
        return tuple(self._numbers)


def letter(number: int) -> str:
    """A reference as it is printed: a, b, ... z, aa, ab; a raised digit would read as a power."""
    out = ""
    while number > 0:
        number, place = divmod(number - 1, 26)
        out = chr(ord("a") + place) + out
    return out


def outside(text: str, most: int = MOST_CHARACTERS) -> str:
    """A name or text from outside, cut to a length that no page breaks at.

    Text that runs from right to left is fenced, so that it does not reorder the figures beside it.
    """
    shown = one_line(text)
    if len(shown) > most:
        shown = f"{shown[: most - 1].rstrip()}\u2026"
    turned = any(unicodedata.bidirectional(c) in {"R", "AL", "AN"} for c in shown)
    return f"{FENCES[0]}{shown}{FENCES[1]}" if turned else shown


def day_words(day: date) -> str:
    """A day for readers: '1 December 2026'."""
    months = "January February March April May June July August September October November December"
    return f"{day.day} {months.split()[day.month - 1]} {day.year}"


def said(*pieces: str | Span) -> Text:
    """Text from plain pieces and spans."""
    return tuple(piece if isinstance(piece, Span) else Span(text=piece) for piece in pieces if piece)


def charts_of(paper: Paper) -> Iterator[Chart]:
    """Every chart, in reading order."""
    blocks: Iterable[Block] = (*paper.summary, *(block for part in paper.parts for block in part.blocks))
    return (block for block in blocks if isinstance(block, Chart))
