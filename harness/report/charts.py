"""The charts of a report as SVG documents. Pure: worded figures and their numbers in, drawings out.

Numbers place marks; what is read beside a mark was worded before it came here. Where a number is unknown
nothing is drawn and the word stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.wording import percent
from harness.report.svg import (
    BAND,
    FAINT,
    INK,
    LINE,
    MUTED,
    WIDTH,
    Scale,
    cut,
    decades,
    document,
    dot,
    line,
    path,
    rect,
    spot,
    steps,
    text,
    tip,
)

_LEFT, _RIGHT = 196.0, 548.0
_ROW = 34.0
MOST_DOTS = 30
"""Beyond these a line's points are felt under the pointer, not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A row of an interval chart.

    Attributes:
        note: a second, smaller line under the label.
        low, value, high: None where there is none.
        words: the figure as it is read.
        hollow: drawn as a ring, for what was not measured.
        key: the arm, by which a page shows and hides it.
    """

    label: str
    note: str
    low: float | None
    value: float | None
    high: float | None
    words: str
    colour: str
    hollow: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A piece of a stacked bar."""

    name: str
    value: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row of a bar chart.

    Attributes:
        slices: from left to right; empty where the figure is unknown.
        low, high: ends of the whisker; None without.
        colour: '' for the colours of the slices.
        key: the arm, by which a page shows and hides it.
    """

    label: str
    note: str
    slices: tuple[Slice, ...]
    words: str
    low: float | None = None
    high: float | None = None
    colour: str = ""
    bold: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line of a curve chart: (x, y, words) by point.

    Attributes:
        spreads: (x, low, high) of upright whiskers.
        key: the arm, by which a page shows and hides it.
        dots: whether its points are marked.
    """

    name: str
    points: tuple[tuple[float, float, str], ...]
    colour: str
    dash: str = ""
    spreads: tuple[tuple[float, float, float], ...] = ()
    key: str = ""
    dots: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An upright line at a value of x, with its words on top."""

    at: float
    words: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows.

    Attributes:
        low, high: its ends, None for those of the data.
        label: words a tick.
        title: '' for none.
        log: equal steps are equal factors; needs values above 0.
    """

    title: str = ""
    low: float | None = None
    high: float | None = None
    label: Callable[[float], str] = "{:,g}".format
    log: bool = False

    def ticks(self, values: Iterable[float], about: int = 5) -> list[float]:
        """Round values around these and the axis's own ends."""
        known = [value for value in values if value > 0 or not self.log]
        low = min(known, default=0.1 if self.log else 0.0) if self.low is None else self.low
        high = max(known, default=1.0) if self.high is None else self.high
        return decades(low, high) if self.log else steps(low, high, about)


PERCENT = Axis(low=0.0, high=1.0, label=lambda share: percent(share, 0))


def interval_chart(name: str, rows: Sequence[Interval], axis: Axis = PERCENT) -> str:
    """Values with their intervals, one row each, over a common scale."""
    ticks = axis.ticks(v for row in rows for v in (row.low, row.value, row.high) if v is not None)
    scale = Scale(low=ticks[0], high=ticks[-1], start=_LEFT, end=_RIGHT, log=axis.log)
    bottom = _ROW * len(rows) + 8
    drawn = _grid(scale, ticks, axis, bottom)
    for number, row in enumerate(rows):
        middle = 8 + _ROW * (number + 0.5)
        if number % 2 == 0:
            drawn.insert(0, rect((0, middle - _ROW / 2), WIDTH, _ROW, BAND, corner=3))
        drawn += _labels(row.label, row.note, middle)
        drawn.append(tip(f"{row.label}: {row.words}", _whisker(row, scale, middle), arm=row.key))
        drawn.append(text((WIDTH - 8, middle + 4), row.words, size=11, bold=True, to="end"))
    return document(bottom + 30, drawn, name=name)


def bar_chart(name: str, rows: Sequence[Bar], axis: Axis, colours: Mapping[str, str]) -> str:
    """Stacked bars with their totals, one row each; the slices' colours are explained on top.

    Args:
        colours: by name of a slice, in the order in which they are explained.
    """
    used = {piece.name for row in rows if not row.colour for piece in row.slices}
    names = [piece for piece in colours if piece in used]
    longest = max((max(_sum(row), row.high or 0.0) for row in rows), default=0.0)
    ticks = steps(0.0, longest or 1.0, 4)
    scale = Scale(low=0.0, high=ticks[-1], start=_LEFT, end=_RIGHT)
    top = 26.0 if names else 4.0
    bottom = top + _ROW * len(rows) + 4
    drawn = _legend([(piece, colours[piece]) for piece in names]) if names else []
    drawn += _grid(scale, ticks, axis, bottom, top)
    for number, row in enumerate(rows):
        middle = top + _ROW * (number + 0.5)
        drawn += _labels(row.label, row.note, middle, bold=row.bold)
        drawn += _stack(row, scale, middle, colours)
        drawn.append(text((WIDTH - 8, middle + 4), row.words, size=11, bold=True, to="end"))
    return document(bottom + 30, drawn, name=name)


def curve_chart(
    name: str, curves: Sequence[Curve], across: Axis, up: Axis, marks: Sequence[Mark] = ()
) -> str:
    """Lines over a common plane, with upright marks."""
    every = [point for curve in curves for point in curve.points]
    wide = across.ticks([*(x for x, _, _ in every), *(mark.at for mark in marks)])
    tall = up.ticks([y for _, y, _ in every], 4)
    top, bottom = 54.0, 270.0
    x = Scale(low=wide[0], high=wide[-1], start=74.0, end=WIDTH - 24.0, log=across.log)
    y = Scale(low=tall[0], high=tall[-1], start=bottom, end=top, log=up.log)
    drawn = _legend([(curve.name, curve.colour) for curve in curves])
    drawn += _plane(x, y, (wide, across), (tall, up))
    drawn += _marks(marks, x, (top, bottom))
    for curve in curves:
        drawn.append(_curve(curve, x, y))
    return document(bottom + 44, drawn, name=name)


_LETTER = 6.2
"""How wide a letter of a mark's words may be; an upper bound over the typefaces a page falls back to."""


def _marks(marks: Sequence[Mark], x: Scale, ends: tuple[float, float]) -> list[str]:
    """Upright lines with their words: to the right of a line, to its left where they would not fit there."""
    top, bottom = ends
    drawn = []
    ordered = sorted(marks, key=lambda mark: mark.at)
    taken = x.start
    for number, mark in enumerate(ordered):
        place, wide = x(mark.at), 10 + _LETTER * len(mark.words)
        free = x(ordered[number + 1].at) if number + 1 < len(ordered) else WIDTH
        fits, fits_left = place + wide <= free, place - wide >= taken
        left = not fits and (fits_left or place + wide > WIDTH)
        up = 0 if fits or fits_left else 12  # neither side is free: a row higher
        taken = place + wide if fits else place
        drawn.append(line((place, top - 8), (place, bottom), mark.colour, wide=1.2, dash="4 3"))
        at = (place + (-5 if left else 5), top - 1 - up)
        drawn.append(text(at, mark.words, size=10, colour=mark.colour, to="end" if left else ""))
    return drawn


def _curve(curve: Curve, x: Scale, y: Scale) -> str:
    places = [(x(at), y(value)) for at, value, _ in curve.points]
    if not places:
        return ""
    drawn = path(places, curve.colour, wide=2.2, dash=curve.dash)
    drawn += "".join(
        line((x(at), y(low)), (x(at), y(high)), curve.colour, wide=1.4) for at, low, high in curve.spreads
    )
    if curve.dots:
        mark = dot if len(curve.points) <= MOST_DOTS else spot
        drawn += "".join(
            tip(f"{curve.name}: {words}", mark((x(at), y(value)), 2.6, curve.colour), point=number)
            for number, (at, value, words) in enumerate(curve.points)
        )
    return tip(curve.name, drawn, arm=curve.key)


def _plane(
    x: Scale, y: Scale, across: tuple[Sequence[float], Axis], up: tuple[Sequence[float], Axis]
) -> list[str]:
    drawn = []
    for tick in up[0]:
        drawn.append(line((x.start, y(tick)), (x.end, y(tick)), LINE))
        drawn.append(text((x.start - 8, y(tick) + 3.5), up[1].label(tick), size=10, colour=MUTED, to="end"))
    for tick in across[0]:
        drawn.append(text((x(tick), y.start + 16), across[1].label(tick), size=10, colour=MUTED, to="middle"))
    drawn.append(line((x.start, y.start), (x.end, y.start), FAINT))
    middle = (x.start + x.end) / 2
    drawn.append(text((middle, y.start + 34), across[1].title, size=10, colour=MUTED, to="middle"))
    if up[1].title:
        drawn.append(text((8, y.end - 10), up[1].title, size=10, colour=MUTED))
    return drawn


def _grid(scale: Scale, ticks: Sequence[float], axis: Axis, bottom: float, top: float = 8.0) -> list[str]:
    drawn = []
    for tick in ticks:
        at = scale(tick)
        drawn.append(line((at, top), (at, bottom), LINE))
        drawn.append(text((at, bottom + 14), axis.label(tick), size=10, colour=MUTED, to="middle"))
    if axis.title:
        drawn.append(
            text(((_LEFT + _RIGHT) / 2, bottom + 27), axis.title, size=10, colour=MUTED, to="middle")
        )
    return drawn


def _labels(label: str, note: str, middle: float, *, bold: bool = False) -> list[str]:
    if not note:
        return [text((8, middle + 4), cut(label, 32), size=11, bold=bold)]
    return [
        text((8, middle - 2), cut(label, 32), size=11, bold=bold),
        text((8, middle + 10.5), cut(note, 40), size=9, colour=MUTED),
    ]


def _whisker(row: Interval, scale: Scale, middle: float) -> str:
    drawn = ""
    if row.low is not None and row.high is not None:
        left, right = scale(row.low), scale(row.high)
        if row.hollow:
            drawn += rect((left, middle - 4), max(2.0, right - left), 8, row.colour, corner=4)
        else:
            drawn += line((left, middle), (right, middle), row.colour, wide=2)
            drawn += line((left, middle - 5), (left, middle + 5), row.colour, wide=1.6)
            drawn += line((right, middle - 5), (right, middle + 5), row.colour, wide=1.6)
    if row.value is not None:
        drawn += dot((scale(row.value), middle), 5, row.colour, hollow=row.hollow)
    return drawn


def _stack(row: Bar, scale: Scale, middle: float, colours: Mapping[str, str]) -> Iterable[str]:
    at = 0.0
    for piece in row.slices:
        left, right = scale(at), scale(at + piece.value)
        at += piece.value
        box = rect((left, middle - 9), right - left, 18, row.colour or colours[piece.name])
        yield tip(f"{row.label}, {piece.name}: {piece.words}", box, arm=row.key)
    if row.low is not None and row.high is not None and row.slices:
        yield line((scale(row.low), middle), (scale(row.high), middle), INK, wide=1.2)
        yield from (
            line((scale(v), middle - 4), (scale(v), middle + 4), INK, wide=1.2) for v in (row.low, row.high)
        )


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    drawn, at = [], 8.0
    for name, colour in entries:
        shown = cut(name, 44)
        drawn += [rect((at, 3), 10, 10, colour, corner=2), text((at + 15, 12), shown, size=10, colour=MUTED)]
        at += 15 + 5.6 * len(shown) + 18
    return drawn


def _sum(row: Bar) -> float:
    return sum(piece.value for piece in row.slices)
