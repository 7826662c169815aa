"""Charts: valid Vega-Lite, fields of records as they are, colours that everybody can tell apart."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import altair as alt
import pytest

from advisor.options import Option
from dashboards import behind, learning, money_views, views
from dashboards.spec import Axis, Interval, intervals, log_ticks
from dashboards.theme import GROUNDS, dash_of
from harness.bakeoff.results import RunResults
from harness.core.records import ArmId
from harness.money.records import CostGroup
from harness.report.palette import MONTH_COLOURS, NEUTRAL, colour_of
from tests.support import money
from tests.support.results import LINEAR, RETRIEVE, TUNE, run_results

RESULTS = run_results(outlook=money.outlook(), diagnosis=money.diagnosis())
OUTLOOK = money.outlook()


def priced_route() -> RunResults:
    assert RESULTS.route is not None
    curve = tuple(replace(point, usd_per_1k=money.Decimal("0.02")) for point in RESULTS.route.curve)
    return replace(RESULTS, route=replace(RESULTS.route, curve=curve))


CHARTS: dict[str, Any] = {
    "accuracy": views.accuracy_chart(RESULTS.arms),
    "differences": views.difference_chart(RESULTS.comparisons, 0.02),
    "slices": views.slice_chart(RESULTS.arms, "language"),
    "price": views.price_chart(RESULTS),
    "labels": behind.label_chart(RESULTS.arms[0].quality.labels, LINEAR),
    "reliability": behind.reliability_chart(RESULTS.diagnosis),
    "coverage": behind.coverage_chart(RESULTS.diagnosis),
    "latency": behind.latency_chart(RESULTS.diagnosis),
    "p95": behind.percentile_chart(RESULTS.arms, 2000.0),
    "seeds": learning.seeds_chart(RESULTS.arms),
    "route": views.route_chart(priced_route().route, RESULTS),  # type: ignore[arg-type]
    "pareto": views.pareto_chart(priced_route().route, RESULTS),  # type: ignore[arg-type]
    "month": money_views.month_chart(OUTLOOK),
    "break-even": money_views.break_even_chart(
        OUTLOOK.arms[0], OUTLOOK.arms[0].break_even[0], OUTLOOK.business
    ),
}


def values(spec: Any) -> list[dict[str, Any]]:
    """Every inline row of a specification."""
    match spec:
        case {"data": {"values": list(rows)}, **rest}:
            return [*rows, *values(rest)]
        case dict():
            return [row for part in spec.values() for row in values(part)]
        case list():
            return [row for part in spec for row in values(part)]
        case _:
            return []


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_valid_and_has_a_titled_axis(name: str) -> None:
    spec = CHARTS[name]
    alt.LayerChart.from_dict(spec)  # raises on what the schema does not know
    titles = re.findall(r'"title": \[?"([^"]+)"', json.dumps(spec))
    assert titles and all(title.strip() for title in titles)
    assert values(spec), "a chart without rows draws nothing"


def test_an_interval_is_that_of_the_record() -> None:
    row = values(CHARTS["accuracy"])[1]
    accuracy = RESULTS.arms[1].quality.accuracy
    assert (row["value"], row["low"], row["high"]) == (accuracy.value, accuracy.low, accuracy.high)
    assert row["words"] == "81.2 % (77.0-84.8), n=560" and row["colour"] == colour_of(LINEAR)


def test_figures_that_were_not_measured_are_hollow() -> None:
    rows = {row["name"]: row for row in values(CHARTS["price"])}
    assert all(row["hollow"] and "illustrative" in row["words"] for row in rows.values())
    faint = [row for row in values(CHARTS["month"]) if row.get("faint")]
    assert faint and all(row["group"] == "calls at list price" for row in faint)
    named = {row["name"] for row in values(CHARTS["month"]) if "priced only" in row.get("words", "")}
    assert named == {hosted.model for hosted in OUTLOOK.hosted}


def test_an_unknown_total_is_the_word_and_no_bar_of_0() -> None:
    unknown = next(arm for arm in OUTLOOK.arms if arm.month_usd.usd is None)
    row = next(row for row in values(CHARTS["month"]) if row.get("name") == str(unknown.arm))
    assert row["words"].startswith("unknown") and row["low"] is None
    assert all(row.get("amount") != 0 for row in values(CHARTS["month"]))


def test_the_month_is_stacked_from_the_records_parts() -> None:
    place = next(row["row"] for row in values(CHARTS["month"]) if row.get("name") == str(LINEAR))
    drawn = {r["group"]: r["amount"] for r in values(CHARTS["month"]) if r["row"] == place and "group" in r}
    unit = money_views.currency_of(OUTLOOK.business)
    arm = next(arm for arm in OUTLOOK.arms if arm.arm == LINEAR)
    expected = {part.group: part.amount.usd for part in arm.month if part.amount.usd is not None}
    assert drawn == {group: float(usd * unit.per_usd) for group, usd in expected.items()}


def test_never_is_said_as_such() -> None:
    outcomes = {curve.outcome for arm in OUTLOOK.arms for curve in arm.break_even}
    assert "never" in outcomes and outcomes <= set(money_views.OUTCOMES)
    table = money_views.month_table(OUTLOOK, LINEAR)
    assert "never" in {cell.text for row in table.rows for cell in row.cells}
    assert "unknown" in {cell.text for row in table.rows for cell in row.cells}


def test_ticks_of_a_logarithmic_axis_are_round() -> None:
    assert log_ticks(1, 100) == (1, 2, 5, 10, 20, 50, 100)
    assert log_ticks(0.0005, 0.9) == (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)
    assert log_ticks(1, 1e6) == (1, 10, 100, 1e3, 1e4, 1e5, 1e6)
    assert len(log_ticks(7, 7)) >= 1


def test_rows_without_a_figure_still_stand_in_the_chart() -> None:
    row = Interval(name="a", value=None, low=None, high=None, colour=NEUTRAL, words="-")
    assert values(intervals([row], Axis(title="x")))[0]["words"] == "-"


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


OURS = [option.traits.colour for option in Option if option.traits.runs]


@pytest.mark.parametrize("kind", BLINDNESS)
def test_no_two_options_look_alike(kind: str) -> None:
    def seen(colour: str) -> tuple[float, float, float]:
        rgb = channels(colour)
        return oklab([sum(m * c for m, c in zip(row, rgb, strict=True)) for row in BLINDNESS[kind]])

    least = min(
        sum((a - b) ** 2 for a, b in zip(seen(one), seen(other), strict=True)) ** 0.5
        for one, other in itertools.combinations(OURS, 2)
    )
    assert least > (0.07 if kind == "tritan" else 0.08), "a just noticeable difference is about 0.02"


@pytest.mark.parametrize("ground", GROUNDS)
def test_colours_stand_out_on_both_grounds(ground: str) -> None:
    for colour in (*OURS, *MONTH_COLOURS.values(), NEUTRAL):
        assert contrast(colour, GROUNDS[ground]) >= 3.0, "WCAG 2.2, 1.4.11: graphical objects"


def test_every_option_has_a_colour_and_the_theme_file_repeats_them() -> None:
    assert Option.EXTERNAL.traits.colour == NEUTRAL, "what was answered outside is drawn in grey"
    theme = tomllib.loads((Path(views.__file__).parent / "theme.toml").read_text())["theme"]
    assert set(theme["chartCategoricalColors"]) == set(OURS)
    assert {name: theme[name]["backgroundColor"] for name in ("light", "dark")} == GROUNDS
    css = (Path(views.__file__).parent / "style.css").read_text()
    assert f"light-dark({GROUNDS['light']}, {GROUNDS['dark']})" in css, (
        "the rim of a chart's words is the ground"
    )
    assert tuple(MONTH_COLOURS) == get_args(CostGroup)
    for ground in ("light", "dark"):
        assert contrast(theme[ground]["textColor"], theme[ground]["backgroundColor"]) >= 7


def test_arms_that_share_an_option_differ_in_their_dashes() -> None:
    other = ArmId(option=Option.TUNE, model="b")
    assert dash_of(TUNE, [TUNE, other]) != dash_of(other, [TUNE, other])
    assert dash_of(TUNE, [RETRIEVE, TUNE]) == dash_of(RETRIEVE, [RETRIEVE, TUNE])
