"""Pieces of Vega-Lite specifications that the charts share. Pure: plain values in, plain dictionaries out.

Rows carry their names above the marks rather than on an axis, and legends are drawn beside the chart by
`markup.legend`, so that a chart reads the same on a phone. Shares stay shares in the data; only labels
turn them into percent.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

Spec = dict[str, Any]

ROW_PX = 46
AXIS_PX = 84  # labels and a title of two lines below the rows
TITLE_CHARS = 38  # of a line of an axis title, so that it fits a phone
PERCENT = "format(datum.value * 100, '.3~g') + ' %'"
POINTS = "(datum.value > 0 ? '+' : '') + format(datum.value * 100, '.3~g')"
DOLLARS = "'$' + format(datum.value, ',.3~r')"
PLAIN = "format(datum.value, ',.4~r')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: its title says what and in which unit.

    Attributes:
        labels: a Vega expression.
        domain: fixed ends; None lets the data decide.
        log: logarithmic.
        zero: whether 0 has to be on it.
        ticks: where to label; empty lets the chart decide.
    """

    title: str
    labels: str = PLAIN
    domain: tuple[float, float] | None = None
    log: bool = False
    zero: bool = False
    ticks: tuple[float, ...] = ()

    def over(self, values: Iterable[float | None]) -> Axis:
        """This axis with round ticks over these values, where it is logarithmic."""
        known = [value for value in values if value is not None and value > 0]
        if not self.log or not known or self.ticks:
            return self
        return replace(self, ticks=log_ticks(min(known), max(known)))

    def encoded(self, field: str) -> Spec:
        """The channel of this axis for a field."""
        scale: Spec = {"nice": True} if self.log else {"zero": self.zero, "nice": True}
        if self.domain is not None:
            scale |= {"domain": list(self.domain), "nice": False, "clamp": True}
        if self.log:
            scale |= {"type": "log"}
        axis: Spec = {
            "title": textwrap.wrap(self.title, TITLE_CHARS),
            "labelExpr": self.labels,
            "tickCount": 6,
            "labelOverlap": True,
        }
        if self.ticks:
            axis["values"] = list(self.ticks)
        return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Round values for a logarithmic axis: 1, 2, 5 over a few powers of ten, fewer over many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades <= 2 else (1, 3) if decades <= 4 else (1,)
    found = (float(f"{step}e{power}") for power in range(first, last + 1) for step in steps)
    return tuple(value for value in found if low * 0.7 <= value <= high * 1.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A row of an interval chart.

    Attributes:
        words: the figure in words, written at the right end.
        hollow: for what was not measured here: predicted, published, priced only.
        expected: a predicted range, drawn as a band behind the mark.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    colour: str
    words: str
    hollow: bool = False
    expected: tuple[float, float] | None = None


def intervals(
    rows: Sequence[Interval],
    axis: Axis,
    *,
    rule: float | None = None,
    margin: float = 0.0,
    stems: bool = False,
    tall: bool = False,
) -> Spec:
    """Points with their intervals, one row each, in the order given.

    Args:
        rule: a vertical line, such as no difference.
        margin: a band of this half-width around the line.
        stems: draw a line from 0 to each point, for figures without an interval.
        tall: write the words under the name rather than beside it, for long names.
    """
    values = [_interval_row(number, row) for number, row in enumerate(rows)]
    y: Spec = {"field": "row", "type": "ordinal", "axis": None, "scale": {"paddingOuter": 0.1}}
    x = axis.over(end for row in rows for end in (row.low, row.value, row.high)).encoded("value")
    colour: Spec = {"field": "colour", "type": "nominal", "scale": None}
    tip = [{"field": "name", "title": "arm"}, {"field": "words", "title": axis.title}]
    layers: list[Spec] = []
    if rule is not None and margin:
        layers.append(_band(rule - margin, rule + margin))
    if rule is not None:
        layers.append(_rule(rule))
    if stems:
        stem = {"type": "rule", "strokeWidth": 2.5, "yOffset": 5, "opacity": 0.45}
        ends = {"x": x, "x2": {"datum": 0}, "y": y, "color": colour}
        layers.append({"mark": stem, "encoding": ends, "transform": [{"filter": "datum.value != null"}]})
    if any(row.expected for row in rows):
        band = {"type": "bar", "height": 12, "opacity": 0.22, "cornerRadius": 3, "yOffset": 5}
        ends = {"x": x | {"field": "from"}, "x2": {"field": "to"}, "y": y, "color": colour}
        layers.append({"mark": band, "encoding": ends, "transform": [{"filter": "datum.from != null"}]})
    layers += [
        {
            "mark": {"type": "rule", "strokeWidth": 2.5, "yOffset": 5},
            "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour},
            "transform": [{"filter": "datum.low != null"}],
        },
        {
            "mark": {
                "type": "point",
                "filled": True,
                "size": 90,
                "opacity": 1,
                "yOffset": 5,
                "strokeWidth": 2,
            },
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "stroke": colour,
                "fillOpacity": {"condition": {"test": "datum.hollow", "value": 0}, "value": 1},
                "tooltip": tip,
            },
            "transform": [{"filter": "datum.value != null"}],
        },
        row_text("name", y, side="left", weight=600, up=18 if tall else 4),
        row_text("words", y, side="left" if tall else "right", weight=400),
    ]
    return {
        "data": {"values": values},
        "height": (ROW_PX + (20 if tall else 0)) * len(rows) + AXIS_PX,
        "layer": layers,
        "resolve": {"scale": {"color": "independent"}},
    }


def _interval_row(number: int, row: Interval) -> Spec:
    low, high = row.expected or (None, None)
    return {
        "row": number,
        "name": row.name,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "colour": row.colour,
        "words": row.words,
        "hollow": row.hollow,
        "from": low,
        "to": high,
    }


def row_text(field: str, y: Spec, *, side: str, weight: int, up: int = 4) -> Spec:
    """A field written above its row, at the left or at the right end."""
    at: Spec = {"value": 0} if side == "left" else {"value": "width"}
    mark = {"type": "text", "align": side, "baseline": "bottom", "yOffset": -up, "fontSize": 12}
    mark |= {"fontWeight": weight, "limit": 330 if side == "left" else 210}
    return {"mark": mark, "encoding": {"x": at, "y": y, "text": {"field": field}}}


def _rule(at: float) -> Spec:
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": "#7d8793"},
        "encoding": {"x": {"datum": at}},
    }


def _band(low: float, high: float) -> Spec:
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rect", "color": "#7d8793", "opacity": 0.16},
        "encoding": {"x": {"datum": low}, "x2": {"datum": high}},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a chart: its points as (x, y, what a reader is told there)."""

    name: str
    colour: str
    points: Sequence[tuple[float, float, str]]
    dash: Sequence[int] = (1, 0)
    step: bool = False


def lines(shown: Sequence[Line], x: Axis, y: Axis, *, height: int = 320, points: bool = False) -> Spec:
    """Lines over one another, each in its arm's colour."""
    layers: list[Spec] = []
    x = x.over(p[0] for line in shown for p in line.points)
    y = y.over(p[1] for line in shown for p in line.points)
    for line in shown:
        values = [{"name": line.name, "x": px, "y": py, "words": words} for px, py, words in line.points]
        mark: Spec = {"type": "line", "color": line.colour, "strokeWidth": 2.2, "strokeDash": list(line.dash)}
        mark |= {"interpolate": "step-after"} if line.step else {}
        mark |= {"point": {"size": 45, "filled": True, "color": line.colour}} if points else {}
        tip = [{"field": "name", "title": "arm"}, {"field": "words", "title": "here"}]
        layers.append(
            {
                "data": {"values": values},
                "mark": mark,
                "encoding": {
                    "x": x.encoded("x"),
                    "y": y.encoded("y"),
                    "tooltip": tip,
                    "order": {"field": "x"},
                },
            }
        )
    return {"height": height, "layer": layers}
