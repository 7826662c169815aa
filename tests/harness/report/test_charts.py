"""Charts: marks stand where their numbers are, unknown draws nothing, and every document is whole SVG."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.charts import (
    NARROW,
    WIDE,
    Axis,
    Bar,
    BarChart,
    ChartSpec,
    Curve,
    CurveChart,
    HeatChart,
    IntervalChart,
    IntervalRow,
    Mark,
    Slice,
    draw,
    plain_number,
    shares,
)
from harness.report.svg import Scale, cut, escape, factors, number, steps
from harness.report.svg import text as svg_text

SVG = "{http://www.w3.org/2000/svg}"
FIRST, LAST = 196.0, 548.0  # the ends of the drawing area of rows


def row(
    value: float | None = 0.5, low: float | None = 0.4, high: float | None = 0.6, **more: object
) -> IntervalRow:
    words = "unknown" if value is None else f"{value:.0%}"
    kept = {"label": "an arm", "note": "tune@m", "colour": "#0b7a68", **more}
    return IntervalRow(low=low, value=value, high=high, words=words, **kept)  # type: ignore[arg-type]


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(["here", "volume stated: 10,000"]))
def test_words_of_two_marks_do_not_cover_each_other(one: float, other: float, words: str) -> None:
    """Held to 6.2 units a letter of ten units' size, more than any letter's mean width."""
    line = Curve(name="a", points=((0.0, 0.0, ""), (100.0, 1.0, "")), colour="#000000")
    marks = tuple(Mark(at=at, words=f"{words} {at:.0f}", colour="#123456") for at in (one, other))
    plane = Axis(low=0.0, high=100.0), Axis(low=0.0)
    svg = ET.fromstring(draw("c", CurveChart(curves=(line,), across=plane[0], up=plane[1], marks=marks)))
    spans = []
    for found in svg.iter(f"{SVG}text"):
        if found.get("fill") == "#123456":
            wide, at = 6.2 * len(found.text or ""), float(found.get("x", 0))
            start = at - wide if found.get("text-anchor") == "end" else at
            spans.append((float(found.get("y", 0)), start, start + wide))
    (first, second) = sorted(spans, key=lambda span: span[1])
    assert first[0] != second[0] or first[2] <= second[1]


def intervals(*rows: IntervalRow, width: float = WIDE) -> str:
    return draw("c", IntervalChart(rows=rows), "All of it in words.", width)


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in ET.fromstring(svg).iter(f"{SVG}circle")]


def words(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_value_stands_where_it_lies_on_the_axis() -> None:
    """0 % at 196, 100 % at 548, so 25 % at 196 + 0.25 * 352 = 284."""
    ((x, _),) = circles(intervals(row(0.25, 0.2, 0.3)))
    assert x == 284.0


def test_an_interval_reaches_from_its_low_to_its_high_end() -> None:
    lines = [
        (float(e.get("x1", "")), float(e.get("x2", "")))
        for e in ET.fromstring(intervals(row(0.5, 0.25, 0.75))).iter(f"{SVG}line")
    ]
    assert (284.0, 460.0) in lines


def test_the_unknown_draws_no_mark_and_keeps_its_word() -> None:
    svg = intervals(row(None, None, None))
    assert circles(svg) == [] and "unknown" in words(svg)
    bar = Bar(label="a", slices=(), words="unknown", low=1.0, high=2.0)
    blank = draw("b", BarChart(rows=(bar,), axis=Axis(), colours={}))
    assert "unknown" in words(blank)
    assert not list(ET.fromstring(blank).iter(f"{SVG}rect"))


def test_slices_follow_each_other_and_end_at_the_total() -> None:
    """Of 0 to 100: 25 and 50 end at 284 and 460."""
    pieces = (Slice(name="people", value=25.0, words="$25"), Slice(name="calls", value=50.0, words="$50"))
    bar = Bar(label="a", note="", slices=pieces, words="$75", high=100.0, low=10.0)
    colours = {"calls": "#44689b", "people": "#b98a2c"}
    svg = draw("b", BarChart(rows=(bar,), axis=Axis(low=0.0), colours=colours))
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
    here = (Mark(at=50.0, words="here", colour="#000000"),)
    svg = draw("c", CurveChart(curves=(own, rival), across=Axis(low=0.0), up=Axis(low=0.0), marks=here))
    (left, bottom), (right, middle) = circles(svg)
    assert right == 664.0 and bottom - middle == 108.0, "half of a plane of 216"
    mid = number((left + right) / 2)
    assert any(e.get("x1") == e.get("x2") == mid for e in ET.fromstring(svg).iter(f"{SVG}line"))
    assert "here" in words(svg)
    points = [e.get("data-point") for e in ET.fromstring(svg).iter(f"{SVG}g") if e.get("data-point")]
    assert points == ["0", "1"]


def test_equal_factors_are_equal_steps_on_a_log_axis() -> None:
    scale = Scale(low=1.0, high=100.0, start=0.0, end=100.0, log=True)
    assert [scale(v) for v in (1.0, 10.0, 100.0)] == [0.0, 50.0, 100.0]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 100, [1, 2, 5, 10, 20, 50, 100]),
        (7, 8, [5, 10]),
        (3, 3, [2, 5]),
        (0.0005, 0.9, [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]),
        (1, 1e6, [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_round(low: float, high: float, ticks: list[float]) -> None:
    """Powers of ten alone left an axis of 7 to 8 ms nine tenths empty."""
    assert factors(low, high) == ticks


@given(st.floats(1e-8, 1e9), st.floats(1, 1e9))
def test_ticks_of_a_logarithmic_axis_enclose_the_data(low: float, factor: float) -> None:
    ticks = factors(low, low * factor)
    assert ticks[0] <= low * 1.001 and ticks[-1] >= low * factor * 0.999 and len(ticks) < 22


def test_shares_are_never_over_a_whole() -> None:
    """Where all values were 1, the axis went from 100 to 200 %."""
    assert shares(whole=False).ticks([1.0, 1.0])[-1] == 1.0
    assert shares(whole=False).ticks([0.0, 0.0])[0] == 0.0
    assert shares(whole=False).ticks([0.93, 0.99]) == [0.92, 0.94, 0.96, 0.98, 1.0]
    assert shares().ticks([0.5]) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_ticks_have_no_exponent() -> None:
    values = (0.0005, 0.25, 100.0, 2500.0, 1e4, 3e5, 1e7, 2e9)
    assert [plain_number(v) for v in values] == [
        "0.0005",
        "0.25",
        "100",
        "2,500",
        "10k",
        "300k",
        "10M",
        "2bn",
    ]


LONG = "a name that is much longer than what a phone has room for"
KINDS: list[ChartSpec] = [
    IntervalChart(
        rows=(row(label=LONG, note=LONG), row(note="", hollow=True), row(None, None, None)),
        axis=Axis(title=LONG), rule=0.5, margin=0.1, stems=True,
    ),
    BarChart(
        rows=(Bar(label=LONG, note=LONG, slices=(Slice(name="calls", value=3.0, words="$3"),), words="$3"),),
        axis=Axis(title=LONG), colours={"calls": "#44689b"},
    ),
    CurveChart(
        curves=tuple(
            Curve(name=f"{LONG} {n}", points=((1.0, 0.5, ""), (9.0, 1.0, "")), colour="#44689b") for n in "ab"
        ),
        across=Axis(title=LONG, log=True), up=shares(LONG), marks=(Mark(at=3.0, words="this volume"),),
    ),
    HeatChart(
        names=(LONG, "b"), cells=(((0.5, "1", "one"), (0.5, "1", "one")), ((0.0, "", ""), (1.0, "2", "two"))),
        across="answered", down="right label", colour="#0371e0",
    ),
]  # fmt: skip


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: type(spec).__name__)
def test_every_kind_is_described_and_stays_inside_at_any_width(spec: ChartSpec, width: float) -> None:
    svg = draw("name", spec, "All of it in words.", width)
    assert svg == draw("name", spec, "All of it in words.", width), "the same chart, the same text"
    tree = ET.fromstring(svg)
    assert tree.get("role") == "img" and tree.get("aria-label") == "All of it in words."
    assert [d.text for d in tree.iter(f"{SVG}desc")] == ["All of it in words."]
    assert not [e for e in tree.iter() if e.get("id")], "no id that could collide with another chart's"
    for found in tree.iter(f"{SVG}text"):
        if tree.get("data-chart") and found.get("x") != "0":  # turned ones stand at 0
            wide = 5.2 * len(found.text or "") * float(found.get("font-size", 10)) / 10
            at = float(found.get("x", 0))
            start = {"end": at - wide, "middle": at - wide / 2}.get(found.get("text-anchor", ""), at)
            assert start > -6 and start + wide < width + 6, found.text


def test_a_phone_has_names_above_the_marks() -> None:
    """The scale takes the whole width, since a phone has no room for names beside it."""
    ((x, y),) = circles(intervals(row(0.5, 0.4, 0.6), width=NARROW))
    assert x == 180.0
    (base,) = [
        float(t.get("y", 0))
        for t in ET.fromstring(intervals(row(), width=NARROW)).iter(f"{SVG}text")
        if t.text == "an arm"
    ]
    assert base < y


def test_a_heat_is_as_strong_as_its_share_and_names_it() -> None:
    svg = draw("h", KINDS[3])
    strong = [e.get("fill-opacity") for e in ET.fromstring(svg).iter(f"{SVG}rect") if e.get("fill-opacity")]
    assert strong == ["0.53", "0.53", "0.9"] and 'data-tip="two"' in svg


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
    svg = intervals(row(label=hostile, note=hostile, key=hostile))
    tree = ET.fromstring(svg)
    assert {e.tag.removeprefix(SVG) for e in tree.iter()} <= {
        "svg",
        "rect",
        "line",
        "text",
        "g",
        "circle",
        "desc",
    }
    assert not any(name.startswith("on") for e in tree.iter() for name in e.attrib)


def test_the_same_rows_give_the_same_text_and_colours_can_be_repainted() -> None:
    svg = intervals(row())
    assert svg == intervals(row())
    assert re.search(r'stroke="#d5dbe3" class="s-line"', svg), "a colour as attribute and as class"
    assert 'data-tip="an arm: 50%"' in svg


def test_small_things() -> None:
    assert (number(-0.001), number(2.50), number(10.0)) == ("0", "2.5", "10")
    assert cut("abcdef", 4) == "abc\u2026" and cut("abcd", 4) == "abcd"
    assert escape("<a \u202eb='c'> & \"d\"") == "&lt;a b=&#39;c&#39;&gt; &amp; &quot;d&quot;"
    assert "text-anchor" not in svg_text((1.0, 2.0), "x")
    assert Scale(low=1.0, high=1.0, start=5.0, end=9.0)(3.0) == 5.0
    assert Scale(low=0.0, high=1.0, start=0.0, end=10.0)(math.inf) == 10.0
