"""The one document: sections of blocks, every figure already worded. Every format shows it, pages too.

`harness.report.topics` makes blocks from records and is the only place where words are made; a renderer
decides on layout and escaping. A span says what its figure rests on (`sources`); a format with room for
references numbers them in order of first use (`sources_of`). Renderers make every text harmless, so no topic
has to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from harness.core.errors import command as command_line
from harness.core.wording import one_line
from harness.report.charts import ChartSpec

MOST_CHARACTERS = 90
"""Of a name; a running text may have more."""
MOST_OF_A_TILE = 44
"""Characters of what stands on a tile; the mark of a figure comes on top."""

FENCES = "\u2068\u2069"
"""Around text that runs from right to left: first strong isolate, pop directional isolate."""

Tone = Literal["plain", "good", "warn", "bad", "faint"]
State = Literal["measured", "prediction", "incomplete"]
CommandOn = Callable[..., str]
"""Verb and further words -> a command on one run, to be pasted as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of running text.

    Attributes:
        sources: what its figures rest on, a sentence each; '' among them is left out.
        strong: to be seen at a glance.
        mark: what a figure is when it is no measurement ('list price', 'illustrative', 'predicted').
    """

    text: str
    sources: tuple[str, ...] = ()
    strong: bool = False
    mark: str = ""


Text = str | tuple[Span, ...]
"""Running text: plain, or in spans where a piece of it is marked, strong or has sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationBlock:
    """What to do, first in every format.

    Attributes:
        headline: one sentence.
        reasons: why, the strongest first.
        facts: cost, who decides, by when, the next step. Where there are tiles, `tiles` are shown as such,
            each a figure and its name; `lines` are those that need a sentence.
    """

    headline: str
    reasons: tuple[Text, ...]
    facts: tuple[Fact, ...]
    tone: Tone = "good"

    @property
    def tiles(self) -> tuple[Fact, ...]:
        """Facts of a few words."""
        return tuple(fact for fact in self.facts if _few_words(fact))

    @property
    def lines(self) -> tuple[Fact, ...]:
        """Facts of a sentence."""
        return tuple(fact for fact in self.facts if not _few_words(fact))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Running text; with the tone 'warn' or 'bad' it is a notice."""

    text: Text
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """A list under an optional name."""

    items: tuple[Text, ...]
    label: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what is to be said of it."""

    label: str
    text: Text
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and what is to be said of each, under an optional name."""

    rows: tuple[Fact, ...]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One figure or name of a table, and in smaller type its interval or what else belongs to it."""

    text: str
    detail: str = ""

    @property
    def whole(self) -> str:
        """Text and detail together."""
        return f"{self.text} ({self.detail})" if self.detail else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its head in up to two lines, to which side its cells lean, what its figures rest on."""

    head: tuple[str, ...]
    right: bool = True
    sources: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The head on one line, hyphenation undone."""
        return " ".join(part for part in self.head if part).replace("- ", "")


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
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing.

    Attributes:
        key: short stable name, for anchors and scripts.
        spec: what `harness.report.charts` draws.
        alt: all a reader needs who does not see it.
        caption: what it shows.
        stops: the stored points, for a format that can move along them; `start` is the one shown first.
    """

    key: str
    spec: ChartSpec
    alt: str
    caption: Text
    stops: Table | None = None
    start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to run, and what it is for; never broken over lines."""

    command: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbatim:
    """Text shown as it was, its line breaks kept, such as a message sent to a model.

    Attributes:
        marked: where pieces begin and end that are highlighted, in order, in formats that can.
    """

    label: str
    text: str
    marked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Here stands the list of all sources, by number."""


Block = (
    RecommendationBlock | Paragraph | Bullets | Facts | Table | Chart | Command | Verbatim | Sources
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Blocks under a title.

    Attributes:
        key: short stable name, for anchors and tests.
        lead: one sentence with what the section says, in larger type; '' without one.
        folded: True for what a first reading can do without.
        page: where there are pages: 'new' begins one; 'fit' begins one that this section and those behind it,
            up to the next page, are made to fit.
        spare: where there are pages: of the one at whose end it stands if that has room; 0 is none.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: Text = ""
    folded: bool = False
    page: Literal["", "new", "fit"] = ""
    spare: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole document, in reading order. One that stands alone begins with the decision.

    Attributes:
        title: what kind of document it is; `subject` what it is about.
        running: the line at the foot of every page.
        day: the document's time, for formats that carry one: when the run finished, or began if it has not.
    """

    title: str
    sections: tuple[Section, ...]
    subject: str = ""
    company: str = ""
    state: State = "measured"
    running: str = ""
    day: datetime = datetime.min

    def section(self, key: str) -> Section | None:
        """The section of this name."""
        return next((section for section in self.sections if section.key == key), None)

    @property
    def headline(self) -> str:
        """What is to be done; the title where nothing is recommended."""
        return next((b.headline for b in blocks_of(self) if isinstance(b, RecommendationBlock)), self.title)


_T = TypeVar("_T")


def there(*parts: _T | None) -> tuple[_T, ...]:
    """Those parts that are there."""
    return tuple(part for part in parts if part is not None)


def section(
    key: str,
    title: str,
    *blocks: Block | None,
    lead: Text = "",
    folded: bool = False,
    page: Literal["", "new", "fit"] = "",
    spare: int = 0,
) -> Section:
    """A section of those blocks that are there."""
    return Section(
        key=key, title=title, blocks=there(*blocks), lead=lead, folded=folded, page=page, spare=spare
    )


def said(*pieces: str | Span) -> tuple[Span, ...]:
    """Text from plain pieces and spans."""
    return tuple(piece if isinstance(piece, Span) else Span(text=piece) for piece in pieces if piece)


def spans(text: Text) -> tuple[Span, ...]:
    """The spans of a text."""
    return said(text) if isinstance(text, str) else text


def plain(text: Text) -> str:
    """A text without marks and sources' numbers; what is no measurement says so in brackets."""
    return "".join(f"{s.text}{f' [{s.mark}]' if s.mark else ''}" for s in spans(text)).strip()


def _few_words(fact: Fact) -> bool:
    return sum(len(span.text) for span in spans(fact.text)) <= MOST_OF_A_TILE


def blocks_of(document: Document) -> Iterator[Block]:
    """Every block, in reading order."""
    return (block for section in document.sections for block in section.blocks)


def sources_of(document: Document) -> dict[str, int]:
    """Every source with its number, in order of first use."""
    found: dict[str, int] = {}
    for source in _cited(document):
        if source:
            found.setdefault(source, len(found) + 1)
    return found


def _cited(value: Any) -> Iterator[str]:
    if isinstance(value, Span | Column):
        yield from value.sources
    elif isinstance(value, tuple):
        for part in value:
            yield from _cited(part)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in {"spec", "stops"}:
                yield from _cited(getattr(value, field.name))


def letter(number: int) -> str:
    """A source's number as it is printed: a, b, ... z, aa, ab; a raised digit would read as a power."""
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


def pieces(text: str) -> list[tuple[str, bool]]:
    """A text made harmless, in pieces: (piece, whether it stands between fences); blanks at ends are kept."""
    return [(_harmless(piece), place % 2 == 1) for place, piece in enumerate(re.split(f"[{FENCES}]", text))]


def _harmless(text: str) -> str:
    before, after = text[:1].isspace(), len(text) > 1 and text[-1:].isspace()
    shown = one_line(text)
    return f"{' ' if before else ''}{shown}{' ' if after and shown else ''}"


def day_words(day: date) -> str:
    """A day for readers: '1 December 2026'."""
    months = "January February March April May June July August September October November December"
    return f"{day.day} {months.split()[day.month - 1]} {day.year}"


def on_run(run_id: str) -> CommandOn:
    """Commands on a run that lies in ./runs, or wherever `TOR_RUNS_DIR` says."""
    return lambda verb, *more: command_line(*verb.split(), one_line(run_id), *more)
