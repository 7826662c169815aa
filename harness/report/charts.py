"""The charts of a report: one typed record a kind, drawn as SVG. Pure: figures and their words in, SVG out.

Numbers place marks; what is read beside a mark was worded before it came here. Where a number is unknown
nothing is drawn and the word stands in its place. A chart is drawn for a width: on a wide one rows have
their names at the left, on a narrow one above the marks, so that letters keep their size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from harness.core.wording import percent
from harness.report.svg import (
    BAND,
    FAINT,
    INK,
    LINE,
    MUTED,
    OTHER,
    PAPER,
    Scale,
    cut,
    document,
    dot,
    factors,
    line,
    path,
    rect,
    spot,
    steps,
    text,
    tip,
    turned,
)

WIDE, NARROW = 680.0, 360.0
"""Widths charts are drawn for: a page of paper or a desk's screen, and a phone."""
MOST_DOTS = 30
"""Beyond these a line's points are felt under the pointer, not seen."""
_LETTER = 6.2
"""How wide a letter of ten units' size may be; an upper bound over the typefaces a page falls back to."""


def plain_number(value: float) -> str:
    """A tick: '2,500', '30k', '10M', '0.05'; never with an exponent."""
    for size, sign in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):,.4g}{sign}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.10f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """A row of an interval chart.

    Attributes:
        note: a second, smaller line under the label.
        low, value, high: None where there is none.
        words: the figure as it is read.
        hollow: drawn as a ring or a band, for what was not measured.
        key: the arm, by which a page shows and hides it.
    """

    label: str
    note: str = ""
    low: float | None = None
    value: float | None = None
    high: float | None = None
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
    note: str = ""
    slices: tuple[Slice, ...]
    words: str
    low: float | None = None
    high: float | None = None
    colour: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line of a curve chart: (x, y, words) by point; one point alone is a mark.

    Attributes:
        spreads: (x, low, high) of upright whiskers.
        hollow: its dots are rings, for what was not measured.
        key: the arm, by which a page shows and hides it.
        dots: whether its points are marked.
        joined: whether a line goes through its points.
    """

    name: str
    points: tuple[tuple[float, float, str], ...]
    colour: str
    dash: str = ""
    spreads: tuple[tuple[float, float, float], ...] = ()
    hollow: bool = False
    key: str = ""
    dots: bool = True
    joined: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An upright line at a value of x, with its words on top."""

    at: float
    words: str
    colour: str = MUTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows.

    Attributes:
        low, high: its ends, None for those of the data.
        least, most: what no value can be under or over, and so no tick.
        label: words a tick.
        title: '' for none.
        log: equal steps are equal factors; needs values above 0.
    """

    title: str = ""
    low: float | None = None
    high: float | None = None
    least: float = -math.inf
    most: float = math.inf
    label: Callable[[float], str] = plain_number
    log: bool = False

    def ticks(self, values: Iterable[float], about: int = 5) -> list[float]:
        """Round values around these and the axis's own ends."""
        known = [value for value in values if value > 0 or not self.log]
        low = min(known, default=0.1 if self.log else 0.0) if self.low is None else self.low
        high = max(known, default=1.0) if self.high is None else self.high
        if self.log:
            return factors(low, high)
        if high <= low and math.isfinite(self.most):  # all values alike: a tenth of what can be, around them
            room = (self.most - max(self.least, self.most - 1)) / 20
            low, high = low - room, high + room
        return steps(max(low, self.least), min(max(high, low), self.most), about)


def shares(title: str = "", *, whole: bool = True) -> Axis:
    """An axis of shares in percent: from 0 to 100 %, or as much of it as the data need."""
    ends = 0.0 if whole else None, 1.0 if whole else None
    return Axis(title=title, low=ends[0], high=ends[1], least=0.0, most=1.0, label=lambda at: percent(at, 0))


PERCENT = shares()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalChart:
    """Values with their intervals, one row each, over a common scale.

    Attributes:
        rule: an upright line, such as no difference or a limit; `margin` is a band on both sides of it.
        stems: a line from 0 to each value, for figures without an interval.
    """

    rows: tuple[IntervalRow, ...]
    axis: Axis = PERCENT
    rule: float | None = None
    margin: float = 0.0
    stems: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Stacked bars with their totals, one row each; the slices' colours are explained on top.

    Attributes:
        colours: by name of a slice, in the order in which they are explained.
    """

    rows: tuple[Bar, ...]
    axis: Axis
    colours: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveChart:
    """Lines and points over a common plane, with upright marks."""

    curves: tuple[Curve, ...]
    across: Axis
    up: Axis
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatChart:
    """A square of names against names, such as labels against answers.

    Attributes:
        cells: by row and column: (share of the row from 0 to 1, what stands in it, words).
        across, down: what the columns and the rows are.
        colour: of a whole share.
    """

    names: tuple[str, ...]
    cells: tuple[tuple[tuple[float, str, str], ...], ...]
    across: str
    down: str
    colour: str


ChartSpec = IntervalChart | BarChart | CurveChart | HeatChart


def words_of(spec: IntervalChart | BarChart | CurveChart) -> str:
    """Every row in words, and of every line its first and its last point, for those who do not see them."""
    if not isinstance(spec, CurveChart):
        return "; ".join(f"{row.label}: {row.words}" for row in spec.rows) + "."
    ends = ((curve.name, list(dict.fromkeys(curve.points[:1] + curve.points[-1:]))) for curve in spec.curves)
    return "; ".join(f"{name}: {' to '.join(words for *_, words in two)}" for name, two in ends if two) + "."


def draw(name: str, spec: ChartSpec, alt: str = "", width: float = WIDE) -> str:
    """A chart as a whole SVG document; the same chart always gives the same text.

    Args:
        name: tells it apart from others on a page.
        alt: all a reader needs who does not see it.
        width: in units of which a letter is 10 to 11 high.
    """
    match spec:
        case IntervalChart():
            height, drawn = _interval_chart(spec, width)
        case BarChart():
            height, drawn = _bar_chart(spec, width)
        case CurveChart():
            height, drawn = _curve_chart(spec, width)
        case HeatChart():
            height, drawn = _heat_chart(spec, width)
        case _:
            assert_never(spec)
    return document((width, height), drawn, name=name, alt=alt)


class _Rows:
    """Where the rows of a chart stand: names at the left of the marks, or above them where it is narrow."""

    def __init__(self, rows: Sequence[IntervalRow | Bar], width: float) -> None:
        self.width, self.count = width, len(rows)
        self.above = width < 520
        longest = max((len(row.words) for row in rows), default=0)
        noted = max((len(row.note) for row in rows), default=0)
        self.left = 20.0 if self.above else min(236.0, max(196.0, 14 + 4.6 * noted))
        self.right = width - 20.0 if self.above else min(width - 132.0, width - 20.0 - 0.62 * 11 * longest)
        self.high = (56.0 if noted else 44.0) if self.above else 34.0

    def scale(self, ticks: Sequence[float], *, log: bool = False) -> Scale:
        return Scale(low=ticks[0], high=ticks[-1], start=self.left, end=self.right, log=log)

    def band(self, top: float, number: int) -> str:
        return rect((0, top + self.high * number), self.width, self.high, BAND, corner=3)

    def middle(self, top: float, number: int) -> float:
        """Where the marks of a row stand."""
        return (
            top + self.high * (number + (0.0 if self.above else 0.5)) + (self.high - 12 if self.above else 0)
        )

    def lines(self, top: float, bottom: float) -> list[tuple[float, float]]:
        """From where to where upright lines go: past all rows, or beside the marks only, under the names."""
        if not self.above:
            return [(top, bottom)]
        middles = (self.middle(top, number) for number in range(self.count))
        return [(middle - 11, middle + 11) for middle in middles]

    def labels(self, row: IntervalRow | Bar, top: float, number: int) -> list[str]:
        """A row's name, note and words."""
        at = top + self.high * number
        base = at + 14.0 if self.above else at + self.high / 2 + (-2.0 if row.note else 4.0)
        room = self.width - 24 - _LETTER * 1.1 * len(row.words) if self.above else self.left - 8
        drawn = [text((8, base), cut(row.label, max(8, int(room / 6))), size=11)]
        if row.note:
            most = int((self.width - 16 if self.above else self.left - 8) / 5)
            drawn.append(text((8, base + 12.5), cut(row.note, most), size=9, colour=MUTED))
        words = (self.width - 8, base if self.above else at + self.high / 2 + 4)
        return [*drawn, text(words, row.words, size=11, bold=True, to="end")]


def _interval_chart(chart: IntervalChart, width: float) -> tuple[float, list[str]]:
    rows, axis, rule = _Rows(chart.rows, width), chart.axis, chart.rule
    values = [v for row in chart.rows for v in (row.low, row.value, row.high) if v is not None]
    values += (
        [] if rule is None else [rule, *([rule - chart.margin, rule + chart.margin] if chart.margin else [])]
    )
    values += [0.0] if chart.stems else []
    ticks = axis.ticks(values, 3 if rows.above else 5)
    scale, top = rows.scale(ticks, log=axis.log), 8.0
    bottom = rows.high * len(chart.rows) + top
    drawn = [rows.band(top, number) for number in range(0, len(chart.rows), 2)]
    if rule is not None and chart.margin:
        ends = scale(rule - chart.margin), scale(rule + chart.margin)
        drawn.append(rect((ends[0], top), ends[1] - ends[0], bottom - top, LINE))
    drawn += _grid(scale, ticks, axis, rows.lines(top, bottom))
    if rule is not None:
        at = scale(rule)
        drawn += [line((at, a), (at, b), MUTED, wide=1.2, dash="4 3") for a, b in rows.lines(top, bottom)]
    for number, row in enumerate(chart.rows):
        drawn += rows.labels(row, top, number)
        marks = _whisker(row, scale, rows.middle(top, number), stem=chart.stems)
        drawn.append(tip(f"{row.label}: {row.words}", marks, arm=row.key))
    return bottom + (32 if axis.title else 20), drawn


def _bar_chart(chart: BarChart, width: float) -> tuple[float, list[str]]:
    rows, colours = _Rows(chart.rows, width), chart.colours
    used = {piece.name for row in chart.rows if not row.colour for piece in row.slices}
    drawn, top = _legend([(name, colour, "") for name, colour in colours.items() if name in used], width)
    longest = max((max(sum(p.value for p in row.slices), row.high or 0.0) for row in chart.rows), default=0.0)
    ticks = steps(0.0, longest or 1.0, 3 if rows.above else 4)
    scale = rows.scale(ticks)
    bottom = top + rows.high * len(chart.rows) + 4
    drawn += _grid(scale, ticks, chart.axis, rows.lines(top, bottom))
    for number, row in enumerate(chart.rows):
        drawn += rows.labels(row, top, number)
        drawn += _stack(row, scale, rows.middle(top, number), colours, 12 if rows.above else 18)
    return bottom + (32 if chart.axis.title else 20), drawn


def _curve_chart(chart: CurveChart, width: float) -> tuple[float, list[str]]:
    across, up = chart.across, chart.up
    every = [point for curve in chart.curves for point in curve.points]
    ends = [end for curve in chart.curves for _, *pair in curve.spreads for end in pair]
    wide = across.ticks(
        [*(x for x, _, _ in every), *(mark.at for mark in chart.marks)], 5 if width > 520 else 3
    )
    tall = up.ticks([*(y for _, y, _ in every), *ends], 4)
    drawn, under = _legend([(curve.name, curve.colour, curve.dash) for curve in chart.curves], width)
    top = under + (18.0 if up.title else 4.0) + (16.0 if chart.marks else 0.0)
    bottom = top + 216.0
    left = 18.0 + _LETTER * max(len(up.label(tick)) for tick in tall)
    right = width - max(16.0, 4 + _LETTER * len(across.label(wide[-1])) / 2)
    x = Scale(low=wide[0], high=wide[-1], start=left, end=right, log=across.log)
    y = Scale(low=tall[0], high=tall[-1], start=bottom, end=top, log=up.log)
    if up.title:
        drawn.append(text((8, under + 4), up.title, size=10, colour=MUTED))
    for tick in tall:
        drawn.append(line((x.start, y(tick)), (x.end, y(tick)), LINE))
        drawn.append(text((x.start - 8, y(tick) + 3.5), up.label(tick), size=10, colour=MUTED, to="end"))
    drawn.append(line((x.start, bottom), (x.end, bottom), FAINT))
    drawn += _tick_words(x, wide, across, bottom + 16)
    drawn += _marks(chart.marks, x, (top, bottom), width)
    drawn += [_curve(curve, x, y) for curve in chart.curves]
    return bottom + (40 if across.title else 24), drawn


def _heat_chart(chart: HeatChart, width: float) -> tuple[float, list[str]]:
    count = len(chart.names)
    left = min(0.36 * width, 16 + 6 * max(map(len, chart.names), default=0))
    side = min(52.0, (width - left - 46) / max(1, count))
    high = min(side, 34.0)
    top = 34 + 4.4 * min(18, max(map(len, chart.names), default=0))
    drawn = [
        text((left + 4, 12), chart.across, size=10, colour=MUTED),
        text((8, top - 8), chart.down, size=10, colour=MUTED),
    ]
    for number, name in enumerate(chart.names):
        middle = top + high * (number + 0.5)
        drawn.append(text((left - 8, middle + 4), cut(name, int((left - 12) / 5.6)), size=10, to="end"))
        drawn.append(
            turned((left + side * (number + 0.5), top - 6), -45, text((0, 0), cut(name, 18), size=10))
        )
        for place, (share, words, said) in enumerate(chart.cells[number]):
            at = (left + side * place + 1, top + high * number + 1)
            box = rect(at, side - 2, high - 2, BAND, corner=2)
            if share > 0:
                box += rect(at, side - 2, high - 2, chart.colour, corner=2, opacity=0.15 + 0.75 * share)
                centre = (at[0] + side / 2 - 1, at[1] + high / 2 + 3)
                colour = PAPER if share > 0.5 else INK
                box += text(centre, words, size=10 if side > 26 else 8, colour=colour, to="middle")
            drawn.append(tip(said, box))
    return top + high * count + 8, drawn


def _marks(marks: Sequence[Mark], x: Scale, ends: tuple[float, float], width: float) -> list[str]:
    """Upright lines with their words: to the right of a line, to its left where they would not fit there."""
    top, bottom = ends
    drawn = []
    ordered = sorted(marks, key=lambda mark: mark.at)
    taken = x.start
    for number, mark in enumerate(ordered):
        place, wide = x(mark.at), 10 + _LETTER * len(mark.words)
        free = x(ordered[number + 1].at) if number + 1 < len(ordered) else width
        fits, fits_left = place + wide <= free, place - wide >= taken
        left = not fits and (fits_left or place + wide > width)
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
    joined = curve.joined and len(places) > 1
    drawn = path(places, curve.colour, wide=2.2, dash=curve.dash) if joined else ""
    drawn += "".join(
        line((x(at), y(low)), (x(at), y(high)), curve.colour, wide=1.4) for at, low, high in curve.spreads
    )
    if curve.dots:
        radius = 2.6 if joined else 5.0
        for number, (at, value, words) in enumerate(curve.points):
            place = (x(at), y(value))
            many = len(curve.points) > MOST_DOTS
            shown = spot(place, radius, curve.colour) if many else \
                dot(place, radius, curve.colour, hollow=curve.hollow)  # fmt: skip
            drawn += tip(f"{curve.name}: {words}", shown, point=number)
    return tip(curve.name, drawn, arm=curve.key)


def _grid(
    scale: Scale, ticks: Sequence[float], axis: Axis, spans: Sequence[tuple[float, float]]
) -> list[str]:
    drawn = [line((scale(tick), top), (scale(tick), bottom), LINE) for tick in ticks for top, bottom in spans]
    return [*drawn, *_tick_words(scale, ticks, axis, spans[-1][1] + 13 if spans else 13)]


def _tick_words(scale: Scale, ticks: Sequence[float], axis: Axis, base: float) -> list[str]:
    """The words under an axis and its title; those that would run into each other are left out."""
    drawn, taken = [], -math.inf
    for tick in ticks:
        words, at = axis.label(tick), scale(tick)
        half = _LETTER * len(words) / 2
        if at - half > taken + 4:
            drawn.append(text((at, base), words, size=10, colour=MUTED, to="middle"))
            taken = at + half
    if axis.title:
        middle, most = (scale.start + scale.end) / 2, int((scale.end - scale.start) / 4.8)
        drawn.append(text((middle, base + 15), cut(axis.title, most), size=10, colour=MUTED, to="middle"))
    return drawn


def _whisker(row: IntervalRow, scale: Scale, middle: float, *, stem: bool = False) -> str:
    drawn = ""
    if stem and row.value is not None:
        drawn += line((scale(0.0), middle), (scale(row.value), middle), row.colour, wide=2)
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


def _stack(row: Bar, scale: Scale, middle: float, colours: Mapping[str, str], high: float) -> Iterable[str]:
    at = 0.0
    for piece in row.slices:
        left, right = scale(at), scale(at + piece.value)
        at += piece.value
        colour = row.colour or colours.get(piece.name, OTHER)
        box = rect((left, middle - high / 2), right - left, high, colour)
        yield tip(f"{row.label}, {piece.name}: {piece.words}", box, arm=row.key)
    if row.low is not None and row.high is not None and row.slices:
        yield line((scale(row.low), middle), (scale(row.high), middle), INK, wide=1.2)
        yield from (
            line((scale(v), middle - 4), (scale(v), middle + 4), INK, wide=1.2) for v in (row.low, row.high)
        )


def _legend(entries: Sequence[tuple[str, str, str]], width: float) -> tuple[list[str], float]:
    """Names with their colours and dashes in as many lines as they take, and where those end."""
    drawn, at, base = [], 8.0, 12.0
    for name, colour, dash in entries:
        shown = cut(name, 44)
        wide = 19 + 5.7 * len(shown) + 14
        if at > 8 and at + wide > width:
            at, base = 8.0, base + 16
        key = line((at, base - 4), (at + 14, base - 4), colour, wide=3, dash=dash) if dash else \
            rect((at, base - 9), 10, 10, colour, corner=2)  # fmt: skip
        drawn += [key, text((at + (19 if dash else 15), base), shown, size=10, colour=MUTED)]
        at += wide
    return drawn, base + 14 if entries else 4.0
