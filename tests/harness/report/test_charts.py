"""Charts: marks stand where their numbers are, unknown draws nothing, and every document is whole SVG."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.charts import (
    PERCENT,
    Axis,
    Bar,
    Curve,
    Interval,
    Mark,
    Slice,
    bar_chart,
    curve_chart,
    interval_chart,
)
from harness.report.svg import Scale, cut, decades, escape, number, steps
from harness.report.svg import text as svg_text

SVG = "{http://www.w3.org/2000/svg}"
FIRST, LAST = 196.0, 548.0  # the ends of the drawing area of rows


def row(
    value: float | None = 0.5, low: float | None = 0.4, high: float | None = 0.6, **more: object
) -> Interval:
    words = "unknown" if value is None else f"{value:.0%}"
    kept = {"label": "an arm", "note": "tune@m", "colour": "#0b7a68", **more}
    return Interval(low=low, value=value, high=high, words=words, **kept)  # type: ignore[arg-type]


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(["here", "volume stated: 10,000"]))
def test_words_of_two_marks_do_not_cover_each_other(one: float, other: float, words: str) -> None:
    """Held to 6.2 units a letter of ten units' size, more than any letter's mean width."""
    line = Curve(name="a", points=((0.0, 0.0, ""), (100.0, 1.0, "")), colour="#000000")
    marks = tuple(Mark(at=at, words=f"{words} {at:.0f}", colour="#123456") for at in (one, other))
    svg = ET.fromstring(curve_chart("c", (line,), Axis(low=0.0, high=100.0), Axis(low=0.0), marks))
    spans = []
    for found in svg.iter(f"{SVG}text"):
        if found.get("fill") == "#123456":
            wide, at = 6.2 * len(found.text or ""), float(found.get("x", 0))
            start = at - wide if found.get("text-anchor") == "end" else at
            spans.append((float(found.get("y", 0)), start, start + wide))
    (first, second) = sorted(spans, key=lambda span: span[1])
    assert first[0] != second[0] or first[2] <= second[1]


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in ET.fromstring(svg).iter(f"{SVG}circle")]


def words(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_value_stands_where_it_lies_on_the_axis() -> None:
    """0 % at 196, 100 % at 548, so 25 % at 196 + 0.25 * 352 = 284."""
    ((x, _),) = circles(interval_chart("c", [row(0.25, 0.2, 0.3)]))
    assert x == 284.0


def test_an_interval_reaches_from_its_low_to_its_high_end() -> None:
    lines = [
        (float(e.get("x1", "")), float(e.get("x2", "")))
        for e in ET.fromstring(interval_chart("c", [row(0.5, 0.25, 0.75)])).iter(f"{SVG}line")
    ]
    assert (284.0, 460.0) in lines


def test_the_unknown_draws_no_mark_and_keeps_its_word() -> None:
    svg = interval_chart("c", [row(None, None, None)])
    assert circles(svg) == [] and "unknown" in words(svg)
    blank = bar_chart(
        "b", [Bar(label="a", note="", slices=(), words="unknown", low=1.0, high=2.0)], Axis(), {}
    )
    assert "unknown" in words(blank)
    assert not list(ET.fromstring(blank).iter(f"{SVG}rect"))


def test_slices_follow_each_other_and_end_at_the_total() -> None:
    """Of 0 to 100: 25 and 50 end at 284 and 460."""
    pieces = (Slice(name="people", value=25.0, words="$25"), Slice(name="calls", value=50.0, words="$50"))
    bar = Bar(label="a", note="", slices=pieces, words="$75", high=100.0, low=10.0)
    svg = bar_chart("b", [bar], Axis(low=0.0), {"calls": "#44689b", "people": "#b98a2c"})
    boxes = [
        (float(e.get("x", "")), float(e.get("width", "")))
        for e in ET.fromstring(svg).iter(f"{SVG}rect")
        if e.get("height") == "18"
    ]
    assert boxes == [(196.0, 88.0), (284.0, 176.0)]
    legend = [text for text in words(svg) if text in {"people", "calls"}]
    assert legend == ["calls", "people"], "in the order asked for, not that of the first bar"


def test_curves_share_one_plane_and_marks_stand_at_their_value() -> None:
    own = Curve(
        name="own", points=((0.0, 0.0, "none"), (100.0, 50.0, "half")), colour="#0b7a68", key="tune@m"
    )
    rival = Curve(name="rival", points=((100.0, 100.0, "all"),), colour="#3c4858", dots=False)
    svg = curve_chart(
        "c", (own, rival), Axis(low=0.0), Axis(low=0.0), (Mark(at=50.0, words="here", colour="#000000"),)
    )
    assert circles(svg) == [(74.0, 270.0), (656.0, 162.0)]  # x 74 to 656; y 270 down to 54
    assert any(e.get("x1") == e.get("x2") == "365" for e in ET.fromstring(svg).iter(f"{SVG}line"))
    assert "here" in words(svg)
    points = [e.get("data-point") for e in ET.fromstring(svg).iter(f"{SVG}g") if e.get("data-point")]
    assert points == ["0", "1"]


def test_equal_factors_are_equal_steps_on_a_log_axis() -> None:
    scale = Scale(low=1.0, high=100.0, start=0.0, end=100.0, log=True)
    assert [scale(v) for v in (1.0, 10.0, 100.0)] == [0.0, 50.0, 100.0]
    assert decades(2.0, 300.0) == [1.0, 10.0, 100.0, 1000.0]
    assert decades(1.0, 1.0) == [1.0, 10.0]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 9400.0, [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10000.0]),
        (0.0, 0.0, [0.0, 1.0]),
        (-3.0, 7.0, [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0]),
    ],
)
def test_ticks_are_round_and_enclose_the_data(low: float, high: float, ticks: list[float]) -> None:
    assert steps(low, high) == ticks


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_enclose_any_data(low: float, width: float) -> None:
    ticks = steps(low, low + width)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert ticks[0] <= low + slack and ticks[-1] >= low + width - slack and len(ticks) < 20


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_out_of_a_drawing(text: str) -> None:
    hostile = f'</text><script>{text}" onload="x'
    svg = interval_chart("c", [row(label=hostile, note=hostile, key=hostile)], PERCENT)
    tree = ET.fromstring(svg)
    assert {e.tag.removeprefix(SVG) for e in tree.iter()} <= {"svg", "rect", "line", "text", "g", "circle"}
    assert not any(name.startswith("on") for e in tree.iter() for name in e.attrib)


def test_the_same_rows_give_the_same_text_and_colours_can_be_repainted() -> None:
    svg = interval_chart("c", [row()])
    assert svg == interval_chart("c", [row()])
    assert re.search(r'fill="#0b7a68" class="f-ship"', svg), "a colour as attribute and as class"
    assert 'data-tip="an arm: 50%"' in svg


def test_small_things() -> None:
    assert (number(-0.001), number(2.50), number(10.0)) == ("0", "2.5", "10")
    assert cut("abcdef", 4) == "abc\u2026" and cut("abcd", 4) == "abcd"
    assert escape("<a \u202eb='c'> & \"d\"") == "&lt;a b=&#39;c&#39;&gt; &amp; &quot;d&quot;"
    assert "text-anchor" not in svg_text((1.0, 2.0), "x")
    assert Scale(low=1.0, high=1.0, start=5.0, end=9.0)(3.0) == 5.0
    assert Scale(low=0.0, high=1.0, start=0.0, end=10.0)(math.inf) == 10.0
