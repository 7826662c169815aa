"""Run records as charts: what is drawn where, in which colour, in which words. Pure.

A chart shows fields of records and nothing else; words come from `harness.core.wording`.
"""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from dashboards.spec import DOLLARS, PERCENT, POINTS, Axis, Interval, Line, Spec, intervals, lines
from harness.bakeoff.results import ArmResult, Comparison, RouteDesign, RoutePoint, RunResults
from harness.core.records import ArmId, Estimate, PriceBasis
from harness.core.wording import MISSING, bounds, marked_money, money, one_line, percent, points
from harness.report.palette import colour_of


def in_words(estimate: Estimate) -> str:
    """A share, its interval and n, short enough for a row: '81.2 % (77.0-84.8), n=560'."""
    if estimate.value is None:
        return f"{MISSING}, n={estimate.n:,}"
    inside = bounds(estimate)
    return f"{percent(estimate.value)}{f' ({inside})' if inside else ''}, n={estimate.n:,}"


def accuracy_chart(arms: Sequence[ArmResult]) -> Spec:
    """Every arm's accuracy on the test items with its interval."""
    rows = [_share_row(arm.arm, arm.quality.accuracy) for arm in arms]
    levels = {f"{100 * arm.quality.accuracy.level:g}" for arm in arms}
    title = f"accuracy on test items, with {' or '.join(sorted(levels))} % interval"
    return intervals(rows, Axis(title=title, labels=PERCENT, domain=(0.0, 1.0)))


def difference_chart(comparisons: Sequence[Comparison], margin: float) -> Spec:
    """Paired differences of accuracy; the band is the margin inside which a difference does not matter."""
    rows = []
    for found in comparisons:
        difference = found.difference
        same = "" if found.same_model else ", two models"
        rows.append(
            Interval(
                name=one_line(f"{found.a} - {found.b}"),
                value=difference.value,
                low=difference.low,
                high=difference.high,
                colour=colour_of(found.a),
                words=f"{points(difference.value)}: {found.relation.value}{same}",
            )
        )
    n = " or ".join(f"{size:,}" for size in sorted({c.difference.n for c in comparisons}))
    title = f"difference of accuracy in percentage points, same n={n} items"
    return intervals(rows, Axis(title=title, labels=POINTS), rule=0.0, margin=margin, tall=True)


def slice_chart(arms: Sequence[ArmResult], column: str) -> Spec:
    """Accuracy of a few arms by the values of one slice column."""
    rows = []
    for arm in arms:
        for found in arm.quality.slices:
            if found.column == column:
                rows.append((found.value, _share_row(arm.arm, found.accuracy, f"{found.value}: {arm.arm}")))
    order = list(dict.fromkeys(value for value, _ in rows))
    rows.sort(key=lambda row: order.index(row[0]))
    title = f"accuracy by {one_line(column)}, with interval"
    return intervals([row for _, row in rows], Axis(title=title, labels=PERCENT, domain=(0.0, 1.0)))


def _share_row(arm: ArmId, estimate: Estimate, name: str = "") -> Interval:
    return Interval(
        name=one_line(name or str(arm)),
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        colour=colour_of(arm),
        words=in_words(estimate),
    )


def arms_behind(results: RunResults) -> tuple[ArmResult, ...]:
    """The arm to ship and the pair: those a reader wants the details of first."""
    wanted = dict.fromkeys([results.verdict.ship, *(results.verdict.pair or ())])
    found = [next((arm for arm in results.arms if arm.arm == name), None) for name in wanted]
    return tuple(arm for arm in found if arm is not None)


def price_chart(results: RunResults) -> Spec:
    """Accuracy against the price of 1,000 queries; arms whose price is unknown stand in the table only."""
    rows: list[Spec] = []
    for arm in results.arms:
        price, accuracy = arm.cost.usd_per_1k, arm.quality.accuracy
        if price.usd is None or accuracy.value is None or price.usd <= 0:
            continue
        rows.append(
            {
                "name": one_line(str(arm.arm)),
                "usd": float(price.usd),
                "accuracy": accuracy.value,
                "low": accuracy.low,
                "high": accuracy.high,
                "colour": colour_of(arm.arm),
                "words": f"{in_words(accuracy)}; {marked_money(price)} per 1,000 ({price.basis.value})",
                "hollow": price.basis is not PriceBasis.MEASURED,
            }
        )
    prices = Axis(title="$ per 1,000 queries (logarithmic)", labels=DOLLARS, log=True)
    x = prices.over(row["usd"] for row in rows).encoded("usd")
    y = Axis(title="accuracy, with interval", labels=PERCENT, domain=(0.0, 1.0)).encoded("accuracy")
    colour: Spec = {"field": "colour", "type": "nominal", "scale": None}
    tip = [{"field": "name", "title": "arm"}, {"field": "words", "title": "figures"}]
    return {
        "data": {"values": rows},
        "height": 320,
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
                "transform": [{"filter": "datum.low != null"}],
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": colour, "tooltip": tip},
            },
        ],
    }


def route_chart(design: RouteDesign, results: RunResults) -> Spec:
    """Accuracy of the whole against the share of items that the first arm keeps."""
    points = [
        (point.kept, point.accuracy, _route_words(point))
        for point in sorted(design.curve, key=lambda point: point.kept)
    ]
    name = f"{design.first}, then {design.then}"
    whole = Line(name=one_line(name), colour=Option.ROUTE.traits.colour, points=points)
    shown = [whole]
    for arm in (design.first, design.then):
        found = next((one for one in results.arms if one.arm == arm), None)
        if found is not None and found.quality.accuracy.value is not None:
            value = found.quality.accuracy.value
            words = f"{percent(value)} alone"
            flat = [(0.0, value, words), (1.0, value, words)]
            shown.append(Line(name=one_line(str(arm)), colour=colour_of(arm), points=flat, dash=(5, 4)))
    x = Axis(
        title=f"share of test items that {one_line(str(design.first))} keeps", labels=PERCENT, domain=(0, 1)
    )
    y = Axis(title="accuracy of the whole on test items", labels=PERCENT)
    return lines(shown, x, y)


def pareto_chart(design: RouteDesign, results: RunResults) -> Spec:
    """Accuracy against the price of 1,000 queries: the route's curve and every arm with a known price."""
    points = [
        (float(point.usd_per_1k), point.accuracy, _route_words(point))
        for point in sorted(design.curve, key=lambda point: point.kept)
        if point.usd_per_1k is not None and point.usd_per_1k > 0
    ]
    whole = Line(name="route", colour=Option.ROUTE.traits.colour, points=points)
    among = price_chart(results)
    prices = [row["usd"] for row in among["data"]["values"]] + [price for price, _, _ in points]
    x = Axis(title="$ per 1,000 queries (logarithmic)", labels=DOLLARS, log=True).over(prices)
    y = Axis(title="accuracy on test items", labels=PERCENT)
    spec = lines([whole], x, y)
    marks = among["layer"][-1]
    encoding = marks["encoding"] | {"x": x.encoded("usd"), "y": y.encoded("accuracy")}
    spec["layer"].append(marks | {"data": among["data"], "encoding": encoding})
    return spec


def route_notes(design: RouteDesign) -> list[str]:
    """How to read the curve."""
    notes = ["violet: the route; dashed: each side alone"]
    if design.threshold is not None:
        notes.append(f"the threshold {design.threshold:.3f} was chosen on dev, not on this curve")
    return notes


def _route_words(point: RoutePoint) -> str:
    price = "price unknown" if point.usd_per_1k is None else f"{money(point.usd_per_1k)} per 1,000"
    return (
        f"{percent(point.accuracy)} right, {percent(point.kept)} kept from {point.threshold:.3f} on, {price}"
    )
