"""Records as charts: fields of records as they are, and colours that everybody can tell apart."""

from __future__ import annotations

import itertools
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import dashboards
from advisor.options import Option
from harness.bakeoff.results import RouteDesign
from harness.core.records import ArmId
from harness.core.wording import USD
from harness.money.records import CostForecast, CostGroup
from harness.report import drawings
from harness.report.charts import Bar, BarChart, ChartSpec, CurveChart, HeatChart, IntervalChart, draw
from harness.report.context import reader_currency
from harness.report.palette import MONTH_COLOURS, colour_of, dash_of
from tests.support import money
from tests.support.results import LINEAR, RETRIEVE, TUNE, run_results

RESULTS = run_results(outlook=money.outlook(), diagnosis=money.diagnosis())
OUTLOOK = money.outlook()
UNIT = reader_currency(RESULTS)
OPTION_COLOURS = sorted({option.traits.colour for option in Option if option.traits.runs})
GROUNDS = {"light": "#ffffff", "dark": "#11161c"}


def priced_route() -> RouteDesign:
    assert RESULTS.route is not None
    curve = tuple(replace(point, usd_per_1k=money.Decimal("0.02")) for point in RESULTS.route.curve)
    return replace(RESULTS.route, curve=curve)


CHARTS: dict[str, ChartSpec] = {
    "accuracy": drawings.accuracy(RESULTS.arms),
    "differences": drawings.differences(RESULTS.comparisons, 0.02, "accuracy"),
    "slices": drawings.slices(RESULTS.arms, "language"),
    "prices": drawings.prices(replace(RESULTS, route=priced_route()), USD),
    "labels": drawings.labels(RESULTS.arms[0].quality.by_label.labels, LINEAR),
    "confusions": drawings.confusions(RESULTS.diagnosis[0], RESULTS.arms[0].quality.by_label.labels),
    "reliability": drawings.reliability(RESULTS.diagnosis),
    "coverage": drawings.coverage(RESULTS.diagnosis),
    "times": drawings.times(RESULTS.diagnosis),
    "p95": drawings.p95(RESULTS.arms, 2000.0),
    "seeds": drawings.seeds(RESULTS.arms),
    "route": drawings.route(priced_route(), RESULTS),
    "month": drawings.month(OUTLOOK, UNIT),
    "break-even": drawings.break_even(
        OUTLOOK.arms[0], OUTLOOK.arms[0].break_even[0], OUTLOOK.business, ("an arm", "today"), UNIT
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_draws_something_and_always_the_same(name: str) -> None:
    spec = CHARTS[name]
    assert draw(name, spec, "alt") == draw(name, spec, "alt")
    match spec:
        case IntervalChart() | BarChart():
            assert spec.rows
        case CurveChart():
            assert any(curve.points for curve in spec.curves) and spec.across.title and spec.up.title
        case HeatChart():
            assert spec.cells


def test_an_interval_is_that_of_the_record() -> None:
    chart = CHARTS["accuracy"]
    assert isinstance(chart, IntervalChart)
    row, accuracy = chart.rows[1], RESULTS.arms[1].quality.primary
    assert (row.value, row.low, row.high) == (accuracy.value, accuracy.low, accuracy.high)
    assert row.words == "81.2 % (77.0-84.8), n=560" and row.colour == colour_of(LINEAR)
    assert row.note == LINEAR.label == "linear"


def bars(outlook: CostForecast) -> dict[str, Bar]:
    """The rows of a month by the arm they name, or by their label."""
    return {row.key or row.label: row for row in drawings.month(outlook, UNIT).rows}


def of(outlook: CostForecast, arm: object, **changes: object) -> CostForecast:
    arms = tuple(replace(one, **changes) if one.arm == arm else one for one in outlook.arms)  # type: ignore[arg-type]
    return replace(outlook, arms=arms)


def test_figures_that_were_not_measured_are_hollow() -> None:
    chart = CHARTS["prices"]
    assert isinstance(chart, CurveChart)
    arms = [curve for curve in chart.curves if curve.key]
    assert arms and all(curve.hollow and "illustrative" in curve.points[0][2] for curve in arms)


def test_a_month_of_calls_alone_does_not_stand_beside_months_with_everything_in_them() -> None:
    assert OUTLOOK.hosted and not {hosted.model for hosted in OUTLOOK.hosted} & set(bars(OUTLOOK))


def test_an_unknown_total_is_the_word_and_no_bar_of_its_known_parts() -> None:
    unknown = next(arm for arm in OUTLOOK.arms if arm.month_usd.usd is None)
    row = bars(OUTLOOK)[str(unknown.arm)]
    assert row.words.startswith("unknown") and row.slices == () and row.low is None
    known = of(OUTLOOK, LINEAR, month_usd=money.amount(None))
    assert bars(OUTLOOK)[str(LINEAR)].slices and bars(known)[str(LINEAR)].slices == ()


def test_the_month_is_stacked_from_the_records_parts() -> None:
    drawn = {piece.name: piece.value for piece in bars(OUTLOOK)[str(LINEAR)].slices}
    arm = next(arm for arm in OUTLOOK.arms if arm.arm == LINEAR)
    expected = {part.group: part.amount.usd for part in arm.month if part.amount.usd is not None}
    assert drawn == {group: float(usd * UNIT.per_usd) for group, usd in expected.items()}


def test_an_arm_that_breaks_a_limit_is_marked() -> None:
    assert bars(of(OUTLOOK, LINEAR, barred=True))[str(LINEAR)].note.endswith(", ruled out")


def test_a_heat_names_labels_and_counts() -> None:
    chart = CHARTS["confusions"]
    assert isinstance(chart, HeatChart)
    pair = RESULTS.diagnosis[0].confusions[0]
    place = chart.names.index(pair.label), chart.names.index(pair.answered)
    share, words, said = chart.cells[place[0]][place[1]]
    assert words == str(pair.count) and 0 <= share <= 1 and said.endswith(f"answered {pair.answered}")


def test_a_break_even_ends_where_its_question_does() -> None:
    """Stored points reach a hundred times the volume; drawn, they hid the crossing."""
    arm = next(arm for arm in OUTLOOK.arms if arm.break_even)
    curve = arm.break_even[0]
    chart = drawings.break_even(arm, curve, OUTLOOK.business, ("an arm", "today"), UNIT)
    most = 2.2 * max(OUTLOOK.business.queries_per_month, curve.queries_per_month or 0)
    assert all(x <= most for line in chart.curves for x, _, _ in line.points)


def channels(colour: str) -> list[float]:
    """Linear RGB, by the definition of sRGB."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def luminance(colour: str) -> float:
    red, green, blue = channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def oklab(rgb: list[float]) -> tuple[float, float, float]:
    """Björn Ottosson's OKLab, 2020."""
    r, g, b = (min(1.0, max(0.0, c)) for c in rgb)
    cone = [0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
            0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
            0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b]  # fmt: skip
    x, y, z = (c ** (1 / 3) for c in cone)
    return (
        0.2104542553 * x + 0.7936177850 * y - 0.0040720468 * z,
        1.9779984951 * x - 2.4285922050 * y + 0.4505937099 * z,
        0.0259040371 * x + 0.7827717662 * y - 0.8086757660 * z,
    )


@pytest.mark.parametrize("kind", BLINDNESS)
def test_no_two_options_look_alike(kind: str) -> None:
    def seen(colour: str) -> tuple[float, float, float]:
        rgb = channels(colour)
        return oklab([sum(m * c for m, c in zip(row, rgb, strict=True)) for row in BLINDNESS[kind]])

    least = min(
        sum((a - b) ** 2 for a, b in zip(seen(one), seen(other), strict=True)) ** 0.5
        for one, other in itertools.combinations(OPTION_COLOURS, 2)
    )
    assert least > (0.07 if kind == "tritan" else 0.08), "a just noticeable difference is about 0.02"


@pytest.mark.parametrize("ground", GROUNDS)
def test_colours_stand_out_on_both_grounds(ground: str) -> None:
    for colour in (*OPTION_COLOURS, *MONTH_COLOURS.values()):
        assert contrast(colour, GROUNDS[ground]) >= 3.0, "WCAG 2.2, 1.4.11: graphical objects"


def test_every_option_has_a_colour_and_the_pages_have_their_grounds() -> None:
    pages = Path(dashboards.__file__).parent
    theme = tomllib.loads((pages / "theme.toml").read_text())["theme"]
    assert {name: theme[name]["backgroundColor"] for name in ("light", "dark")} == GROUNDS
    ground = f"--paper: light-dark({GROUNDS['light']}, {GROUNDS['dark']})"
    assert ground in (pages / "style.css").read_text(), "rings of charts are filled with the ground"
    assert tuple(MONTH_COLOURS) == get_args(CostGroup)
    for name in ("light", "dark"):
        assert contrast(theme[name]["textColor"], theme[name]["backgroundColor"]) >= 7


def test_arms_that_share_an_option_differ_in_their_dashes() -> None:
    other = ArmId(option=Option.TUNE, model="b")
    assert dash_of(TUNE, [TUNE, other]) != dash_of(other, [TUNE, other])
    assert dash_of(TUNE, [RETRIEVE, TUNE]) == dash_of(RETRIEVE, [RETRIEVE, TUNE])
