"""Records as charts: what is drawn where, in which colour, in which words. Pure.

A chart shows fields of records and nothing else. Report and pages draw the same charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from advisor.advice import Advice
from advisor.money.crossing import BreakEvenCurve
from advisor.money.inputs import CostInputs
from advisor.options import Option
from advisor.sentences import capital
from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.bakeoff.results import (
    ArmResult,
    Comparison,
    RouteDesign,
    RoutePoint,
    RouteStep,
    RouteToToday,
)
from harness.core.records import ArmId, Artefact, Estimate, PriceBasis
from harness.core.wording import (
    MISSING,
    Currency,
    bounds,
    decimal,
    marked_money,
    milliseconds,
    money,
    one_line,
    percent,
    points,
)
from harness.curve.records import LearningCurve
from harness.freshness.records import Drill, Moment
from harness.money.records import ArmForecast, CostForecast
from harness.recommendation.records import RunResults
from harness.report.charts import (
    Axis,
    Bar,
    BarChart,
    Curve,
    CurveChart,
    HeatChart,
    IntervalChart,
    IntervalRow,
    Mark,
    Slice,
    shares,
)
from harness.report.palette import MONTH_COLOURS, colour_of, dash_of
from harness.report.svg import FAINT, TODAY
from harness.report.topics.cells import as_title, plain_name, relation_words
from harness.tasks.label_breakdown import LabelResult
from harness.tasks.question_breakdown import Answering

MOST_LABELS = 20
MOST_CONFUSED = 10
"""Labels of a chart of confusions; more are not read any more."""
REACH = 2.2
"""Times the larger of the volume stated and of the break-even, up to which a curve is drawn."""


def named(arm: ArmId, among: Sequence[ArmId]) -> str:
    """An arm's name beside its marks."""
    return as_title(plain_name(arm, among))


def in_words(estimate: Estimate) -> str:
    """A share, its interval and n, short enough for a row: '81.2 % (77.0-84.8), n=560'."""
    if estimate.value is None:
        return f"{MISSING}, n={estimate.n:,}"
    inside = bounds(estimate)
    return f"{percent(estimate.value)}{f' ({inside})' if inside else ''}, n={estimate.n:,}"


def accuracy(arms: Sequence[ArmResult]) -> IntervalChart:
    """Every arm's accuracy on the test items with its interval."""
    among = [arm.arm for arm in arms]
    return IntervalChart(rows=tuple(_row(a.arm, a.primary, named(a.arm, among)) for a in arms))


def _row(arm: ArmId, found: Estimate, label: str, words: str = "", aside: str = "") -> IntervalRow:
    """An arm's estimate with its interval; a share unless its words are given."""
    return IntervalRow(
        label=one_line(label),
        note=one_line(arm.label) + aside,
        low=found.low,
        value=found.value,
        high=found.high,
        colour=colour_of(arm),
        words=words or in_words(found),
        key=one_line(str(arm)),
    )


def differences(comparisons: Sequence[Comparison], margin: float, metric: str) -> IntervalChart:
    """Paired differences of the metric; the band is the margin inside which a difference does not matter."""
    among = list(dict.fromkeys(arm for found in comparisons for arm in (found.a, found.b)))
    rows = tuple(
        IntervalRow(
            label=named(found.a, among),
            note=one_line(f"minus {plain_name(found.b, among)}{_two_models(found)}"),
            value=found.difference.value,
            low=found.difference.low,
            high=found.difference.high,
            colour=colour_of(found.a),
            words=f"{points(found.difference.value)}: {relation_words(found.relation, drawn=True)}",
        )
        for found in comparisons
    )
    signed = lambda at: f"{100 * at:+,.4g}" if at else "0"  # noqa: E731 - the words of a tick
    axis = Axis(title=f"difference of {metric} in percentage points", least=-1.0, most=1.0, label=signed)
    return IntervalChart(rows=rows, axis=axis, rule=0.0, margin=margin)


def _two_models(found: Comparison) -> str:
    """That a difference is not that of the method alone; of a route, which is several options, nothing."""
    return "" if found.same_model or Option.ROUTE in (found.a.option, found.b.option) else ", two models"


def slices(arms: Sequence[ArmResult], column: str) -> IntervalChart:
    """Accuracy of a few arms by the values of one slice column."""
    among = [arm.arm for arm in arms]
    rows = [
        (found.value, _row(arm.arm, found.primary, f"{found.value}: {plain_name(arm.arm, among)}"))
        for arm in arms
        for found in arm.quality.slices
        if found.column == column
    ]
    order = list(dict.fromkeys(value for value, _ in rows))
    return IntervalChart(rows=tuple(row for _, row in sorted(rows, key=lambda row: order.index(row[0]))))


def prices(results: RunResults, unit: Currency) -> CurveChart:
    """Accuracy against the price of 1,000 queries, and the route at its other thresholds.

    Arms whose price is unknown stand in the table only, and so does the floor: its price is next to
    nothing, and would push all others to one end.
    """
    among = [arm.arm for arm in results.arms]
    curves = []
    for arm in results.arms:
        price, found = arm.cost.usd_per_1k, arm.primary
        if arm.arm.option is Option.FLOOR or price.usd is None or found.value is None or price.usd <= 0:
            continue
        at, ends = _shown(price.usd, unit), (found.low, found.high)
        words = f"{in_words(found)}; {marked_money(price, unit)} per 1,000 ({price.basis.value})"
        curves.append(
            Curve(
                name=named(arm.arm, among),
                points=((at, found.value, words),),
                spreads=() if None in ends else ((at, ends[0] or 0.0, ends[1] or 0.0),),
                colour=colour_of(arm.arm),
                hollow=price.basis is not PriceBasis.MEASURED,
                key=one_line(str(arm.arm)),
            )
        )
    along = () if results.route is None else tuple(
        (_shown(point.usd_per_1k, unit), point.accuracy, _route_words(point))
        for point in _by_kept(results.route)
        if point.usd_per_1k is not None and point.usd_per_1k > 0
    )  # fmt: skip
    if along:
        colour = Option.ROUTE.traits.colour
        curves.append(Curve(name="the route at other thresholds", points=along, colour=colour))
    across = money_axis(unit, "per 1,000 queries; equal steps are equal factors", log=True)
    return CurveChart(curves=tuple(curves), across=across, up=shares(f"{results.metric.name}, with interval"))


def labels(found: Sequence[LabelResult], arm: ArmId) -> IntervalChart:
    """F1 of the labels, the worst first, as many as can be read."""
    worst = sorted(found, key=lambda one: (one.f1 is not None, one.f1 or 0.0, one.label))[:MOST_LABELS]
    rows = tuple(
        IntervalRow(
            label=one_line(one.label),
            value=one.f1,
            colour=colour_of(arm),
            words=f"{decimal(one.f1, 2)}, {one.correct:,} of {one.support:,} found",
        )
        for one in worst
    )
    return IntervalChart(rows=rows, axis=Axis(title="F1 on test items", low=0.0, high=1.0), stems=True)


def confusions(found: ArmDiagnosis, known: Sequence[LabelResult]) -> HeatChart:
    """Which label is answered where another is right, among the labels that are confused most."""
    often: dict[str, int] = {}
    for pair in found.confusions:
        for label in (pair.label, pair.answered):
            often[label] = often.get(label, 0) + pair.count
    names = sorted(often, key=lambda label: -often[label])[:MOST_CONFUSED]
    counts = {(pair.label, pair.answered): pair.count for pair in found.confusions}
    counts |= {(one.label, one.label): one.correct for one in known}
    support = {one.label: one.support for one in known}

    def cell(label: str, answered: str) -> tuple[float, str, str]:
        count, of = counts.get((label, answered), 0), support.get(label, 0)
        words = f"{one_line(label)}: {count:,} of {of:,} answered {one_line(answered)}"
        return (min(1.0, count / of) if of else 0.0, f"{count:,}" if count else "", words)

    return HeatChart(
        names=tuple(map(one_line, names)),
        cells=tuple(tuple(cell(label, answered) for answered in names) for label in names),
        across="answered",
        down="right label",
        colour=colour_of(found.arm),
    )


def reliability(found: Sequence[ArmDiagnosis]) -> CurveChart:
    """Accuracy against confidence in ten bins; on the diagonal an arm is as right as it is sure."""
    even = Curve(
        name="as right as it is sure", points=((0, 0, ""), (1, 1, "")), colour=FAINT, dash="3 4", dots=False
    )
    curves = []
    for one in found:
        bins = [b for b in one.reliability if b.mean_confidence is not None and b.accuracy is not None]
        dots = [
            (b.mean_confidence or 0.0, b.accuracy or 0.0,
             f"sure {percent(b.mean_confidence)}, right {percent(b.accuracy)}, n={b.n:,}")
            for b in bins
        ]  # fmt: skip
        spreads = tuple(
            (b.mean_confidence or 0.0, b.accuracy_low, b.accuracy_high)
            for b in bins
            if b.accuracy_low is not None and b.accuracy_high is not None
        )
        curves.append(_line(one.arm, dots, found, spreads))
    across, up = shares("how sure the answer was"), shares("how often it was right")
    return CurveChart(curves=(even, *curves), across=across, up=up)


def coverage(found: Sequence[ArmDiagnosis]) -> CurveChart:
    """Precision against the share of items answered, the surest first."""
    curves = [
        _line(
            one.arm,
            [
                (p.kept, p.precision, f"keeps {percent(p.kept)}, right {percent(p.precision)}, n={p.n:,}")
                for p in one.coverage
            ],
            found,
        )
        for one in found
        if one.coverage
    ]
    up = shares("how many of those are right", whole=False)
    return CurveChart(curves=tuple(curves), across=shares("share of items answered, the surest first"), up=up)


def risk(found: Sequence[tuple[ArmId, str, Sequence[Answering]]], least: float) -> CurveChart:
    """Wrong answers of those given against the share of questions answered.

    Args:
        least: the wrong answers that somebody has at least who never hands a question back.
    """
    curves = []
    for arm, name, answering in found:
        dots = tuple(
            (one.coverage, one.risk.value, f"answers {percent(one.coverage)}, wrong {in_words(one.risk)}")
            for one in answering
            if one.risk.value is not None
        )
        spreads = tuple(
            (one.coverage, one.risk.low, one.risk.high)
            for one in answering
            if one.risk.low is not None and one.risk.high is not None
        )
        curves.append(
            Curve(
                name=name,
                points=dots,
                colour=colour_of(arm),
                spreads=spreads if len(answering) == 1 else (),
                key=one_line(str(arm)),
            )
        )
    never = Curve(
        name="never handing back, at least",
        points=((1.0, least, f"answers 100 %, wrong at least {percent(least)}"),),
        colour=FAINT,
        hollow=True,
    )
    across = shares("share of questions answered; at 0 % every question is handed back")
    return CurveChart(curves=(*curves, never), across=across, up=shares("wrong answers of those given"))


def over_time(drill: Drill) -> CurveChart:
    """Right answers of every arm from the moment of a change until all are up to date again."""
    updates = [arm.mean_update_s for arm in drill.arms if arm.mean_update_s]
    begin, end = min([0.3, *updates]) / 3, 3 * max([1.0, *updates])
    curves = []
    for arm in drill.arms:
        update = arm.mean_update_s
        found = [(begin, arm.right(Moment.BEFORE), "before the change")]
        found.append((begin, arm.right(Moment.STALE), "from the change on"))
        if update:
            found.append((update, arm.right(Moment.STALE), "until the update"))
            found.append((update, arm.right(Moment.AFTER), "after the update"))
        found.append((end, arm.right(Moment.AFTER if update else Moment.STALE), "at the end"))
        dots = tuple(
            (at, one.value, f"{when}: {in_words(one)}") for at, one, when in found if one.value is not None
        )
        dash = dash_of(arm.arm, [other.arm for other in drill.arms])
        curves.append(Curve(name=arm.arm.label, points=dots, colour=colour_of(arm.arm), dash=dash))
    across = Axis(title="seconds after the change; equal steps are equal factors", log=True)
    return CurveChart(curves=tuple(curves), across=across, up=shares(drill.metric, whole=False))


def times(found: Sequence[ArmDiagnosis]) -> CurveChart:
    """The whole distribution of the timed queries."""
    curves = [
        _line(
            one.arm,
            [
                (p.ms, p.share, f"{percent(p.share, 0)} within {milliseconds(p.ms)} ms (n={one.latency_n:,})")
                for p in one.latency
                if p.ms > 0
            ],
            found,
        )
        for one in found
    ]
    across = Axis(title="ms for one query; equal steps are equal factors", log=True)
    return CurveChart(curves=tuple(curves), across=across, up=shares("share answered within"))


def p95(arms: Sequence[ArmResult], limit_ms: float | None) -> IntervalChart:
    """p95 of every arm with its interval; the line is what the plan allows."""
    among = [arm.arm for arm in arms]
    rows = []
    for arm in arms:
        found = arm.latency.p95_ms
        words = "not measured" if found.value is None else f"{milliseconds(found.value)} ms"
        busy = ", timed on a busy machine" if arm.latency.busy else ""
        rows.append(_row(arm.arm, found, named(arm.arm, among), f"{words}, n={found.n:,}", busy))
    return IntervalChart(
        rows=tuple(rows), axis=Axis(title="p95 in ms; equal steps are equal factors", log=True), rule=limit_ms
    )


def _line(
    arm: ArmId,
    dots: Sequence[tuple[float, float, str]],
    among: Sequence[ArmDiagnosis],
    spreads: tuple[tuple[float, float, float], ...] = (),
) -> Curve:
    arms = [one.arm for one in among]
    return Curve(
        name=named(arm, arms),
        points=tuple(dots),
        spreads=spreads,
        colour=colour_of(arm),
        dash=dash_of(arm, arms),
        key=one_line(str(arm)),
    )


def learning(curve: LearningCurve) -> CurveChart:
    """Accuracy against the number of training examples; the fitted law is dashed past those at hand."""
    colour = colour_of(curve.arm)
    law = [(float(p.size), p.primary.value, p.extrapolated) for p in curve.line]
    inside = [
        (size, value, _law(size, value)) for size, value, beyond in law if value is not None and not beyond
    ]
    outside = [
        (size, value, f"{_law(size, value)}, not measured")
        for size, value, beyond in law
        if value is not None and beyond
    ]
    means = [(float(mean.size), mean.primary, mean.seeds) for mean in curve.means]
    measured = Curve(
        name="measured",
        points=tuple(
            (size, found.value, f"{in_words(found)}, {count} seed{'s' if count > 1 else ''}")
            for size, found, count in means
            if found.value is not None
        ),
        spreads=tuple(
            (size, found.low, found.high)
            for size, found, _ in means
            if found.low is not None and found.high is not None
        ),
        colour=colour,
        joined=False,
    )
    lines = [Curve(name="the fitted law", points=tuple(inside), colour=colour, dots=False)] if inside else []
    if outside:
        further = (*inside[-1:], *outside)
        lines.append(
            Curve(name="the law past the examples you have", points=further, colour=colour, dash="5 4")
        )
    across = Axis(title="training examples; equal steps are equal factors", log=True)
    return CurveChart(
        curves=(*lines, measured),
        across=across,
        up=shares(f"{curve.means[0].primary.metric}, mean over seeds", whole=False),
    )


def _law(size: float, value: float) -> str:
    return f"{percent(value)} at {size:,.0f} by the fitted law"


def losses(trained: Sequence[tuple[ArmId, Artefact]]) -> CurveChart:
    """Training loss by optimiser step, as logged."""
    arms = [arm for arm, _ in trained]
    curves = tuple(
        Curve(
            name=named(arm, arms),
            points=tuple((float(step), loss, f"step {step:,}: {loss:.3f}") for step, loss in made.curve),
            colour=colour_of(arm),
            dash=dash_of(arm, arms),
        )
        for arm, made in trained
    )
    up = Axis(title="training loss", low=0.0)
    return CurveChart(curves=curves, across=Axis(title="optimiser step", low=0.0), up=up)


def seeds(arms: Sequence[ArmResult]) -> IntervalChart:
    """Test accuracy of every training seed of the tuned arms."""
    among = [arm.arm for arm in arms]
    return IntervalChart(
        rows=tuple(
            _row(arm.arm, seed.primary, f"{named(arm.arm, among)}, seed {seed.seed}")
            for arm in arms
            for seed in arm.seeds
        )
    )


def route(design: RouteDesign, results: RunResults) -> CurveChart:
    """Accuracy of the whole against the share of items that the first arm keeps."""
    dots = tuple((point.kept, point.accuracy, _route_words(point)) for point in _by_kept(design))
    curves = [Curve(name="the route", points=dots, colour=Option.ROUTE.traits.colour)]
    for arm in (design.first, design.then):
        found = next((one.quality.primary.value for one in results.arms if one.arm == arm), None)
        if found is not None:
            words = f"{percent(found)} alone"
            flat = ((0.0, found, words), (1.0, found, words))
            name = f"{plain_name(arm, (design.first, design.then))} alone"
            curves.append(Curve(name=name, points=flat, colour=colour_of(arm), dash="5 4"))
    across = shares(f"share of test items that {plain_name(design.first)} keeps")
    return CurveChart(curves=tuple(curves), across=across, up=shares("accuracy of the whole", whole=False))


def route_to_today(route: RouteToToday) -> CurveChart:
    """What is shown of the whole against the share of rows that the arm answers, by tested threshold."""
    steps = [(step.answered, step.low, _step_words(step)) for step in route.steps if step.low is not None]
    what = "precision" if route.today_accuracy is None else "right answers in all"
    target, words = route.target, f"{percent(route.target)} is asked for"
    ends = ((steps[0][0], target, words), (steps[-1][0], target, words))
    used = tuple(
        (step.answered, step.low, f"in use: {_step_words(step)}")
        for step in route.steps
        if step.threshold == route.threshold and step.low is not None
    )
    curves = [
        Curve(name="shown at least", points=tuple(steps), colour=Option.ROUTE.traits.colour),
        Curve(name="asked for", points=ends, colour=FAINT, dash="5 4", dots=False),
    ]
    if used:
        curves.append(Curve(name="in use", points=used, colour=TODAY))
    return CurveChart(
        curves=tuple(curves),
        across=shares("share of rows that the arm answers", whole=False),
        up=shares(what, whole=False),
    )


def _step_words(step: RouteStep) -> str:
    month = "" if step.usd_per_month is None else f", {money(step.usd_per_month)} a month"
    return f"{percent(step.low)} from {step.threshold:.2f} on, {percent(step.answered)} answered{month}"


def _by_kept(design: RouteDesign) -> list[RoutePoint]:
    return sorted(design.curve, key=lambda point: point.kept)


def _route_words(point: RoutePoint) -> str:
    price = "price unknown" if point.usd_per_1k is None else f"{money(point.usd_per_1k)} per 1,000"
    return (
        f"{percent(point.accuracy)} right, {percent(point.kept)} kept from {point.threshold:.3f} on, {price}"
    )


def money_axis(currency: Currency, title: str = "", *, log: bool = False) -> Axis:
    """An axis of money, its values in the reader's currency."""
    unit = Currency(code=currency.code)

    def label(value: float) -> str:
        words = money(value, unit)
        return words.rstrip("0").rstrip(".") if "." in words else words

    return Axis(title=title, low=None if log else 0.0, label=label, log=log)


def month(forecast: CostForecast, unit: Currency) -> BarChart:
    """A mean month of every arm by what is paid for, beside today.

    Hosted models that were not run have no bar: of them only the calls are known, and a month of calls beside
    months with everything in them would look cheap.
    """
    among = [arm.arm for arm in forecast.arms]
    rows = []
    today = forecast.incumbent
    if today is not None and today.month_usd.usd is not None:
        words = money(today.month_usd.usd, unit)
        piece = Slice(name="today", value=_shown(today.month_usd.usd, unit), words=words)
        rows.append(
            Bar(
                label="Today",
                note=f"{one_line(today.kind)}, as stated",
                slices=(piece,),
                words=words,
                colour=TODAY,
            )
        )
    for arm in forecast.arms:
        total = arm.month_usd
        parts = tuple(
            Slice(name=part.group, value=_shown(part.amount.usd, unit), words=money(part.amount.usd, unit))
            for part in arm.month
            if part.amount.usd is not None and total.usd is not None  # no bar for half a month
        )
        rows.append(
            Bar(
                label=named(arm.arm, among),
                note=f"{one_line(arm.arm.label)}, {'ruled out' if arm.barred else total.basis.value}",
                slices=parts,
                words=marked_money(total, unit),
                low=_place(total.low_usd, unit),
                high=_place(total.high_usd, unit),
                key=one_line(str(arm.arm)),
            )
        )
    title = f"{unit.code} a month at {forecast.business.queries_per_month:,} queries"
    return BarChart(rows=tuple(rows), axis=money_axis(unit, title), colours=MONTH_COLOURS)


def _shown(usd: Decimal | None, unit: Currency) -> float:
    return _place(usd, unit) or 0.0


def _place(usd: Decimal | None, unit: Currency) -> float | None:
    return None if usd is None else float(usd * unit.per_usd)


def break_even(
    arm: ArmForecast, curve: BreakEvenCurve, business: CostInputs, names: tuple[str, str], unit: Currency
) -> CurveChart:
    """A month of an arm and of its rival by volume; where they cross the cheaper one changes.

    Args:
        names: of the arm and of its rival.
    """
    crossing = curve.queries_per_month
    until = REACH * max(business.queries_per_month, crossing or 0)
    own: list[tuple[float, float, str]] = []
    other: list[tuple[float, float, str]] = []
    for point in curve.points:
        for found, usd in ((own, point.usd), (other, point.rival_usd)):
            if usd is not None and point.queries_per_month <= until:
                words = f"{money(usd, unit)} at {point.queries_per_month:,} queries a month"
                found.append((float(point.queries_per_month), _shown(usd, unit), words))
    marks = [Mark(at=business.queries_per_month, words=f"this volume: {business.queries_per_month:,}")]
    if crossing:
        marks.append(Mark(at=crossing, words=f"break-even: {crossing:,}", colour=colour_of(arm.arm)))
    return CurveChart(
        curves=(
            Curve(name=names[0], points=tuple(own), colour=colour_of(arm.arm)),
            Curve(name=capital(names[1]), points=tuple(other), colour=TODAY, dash="6 4"),
        ),
        across=Axis(title="queries a month", low=0.0),
        up=money_axis(unit, f"{unit.code} a month"),
        marks=tuple(marks),
    )


def predicted_accuracy(advice: Advice) -> IntervalChart:
    """What accuracy published figures let one expect of each option: ranges, no points."""
    rows = []
    for one in advice.options:
        found = one.prediction
        if one.place is None or found is None:
            continue
        known = found.accuracy_low is not None and found.accuracy_high is not None
        span = f"{percent(found.accuracy_low, 0)} to {percent(found.accuracy_high, 0)}"
        words = f"{percent(found.accuracy_likely, 0)} ({span})" if known else "unknown"
        rows.append(
            IntervalRow(
                label=f"{one.place}. {as_title(one.option.traits.name)}",
                note=one_line(f"hosted model {found.model}" if found.where == "hosted" else found.model),
                low=found.accuracy_low,
                high=found.accuracy_high,
                words=words,
                colour=one.option.traits.colour if known else FAINT,
                hollow=True,
                key=one.option.value,
            )
        )
    return IntervalChart(rows=tuple(rows), rule=advice.case.quality_floor)


def predicted_cost(advice: Advice, unit: Currency) -> IntervalChart:
    """Predicted costs with everything counted, by option; unknown ones have no row."""
    rows = []
    for one in advice.options:
        span = one.prediction.usd_per_1k_total if one.place is not None and one.prediction else None
        if span is None or span.low is None or span.high is None or span.low <= 0:
            continue
        ends = money(span.low, unit), money(span.high, unit)
        rows.append(
            IntervalRow(
                label=as_title(one.option.traits.name),
                low=_shown(span.low, unit),
                value=_place(span.likely, unit),
                high=_shown(span.high, unit),
                words=f"{ends[0]} to {ends[1]}",
                colour=one.option.traits.colour,
                hollow=True,
                key=one.option.value,
            )
        )
    axis = money_axis(unit, "per 1,000 queries; equal steps are equal factors", log=True)
    return IntervalChart(rows=tuple(rows), axis=axis)
