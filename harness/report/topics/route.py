"""Routes: what one arm keeps, what handing on the rest brings, to another arm or to today's way. Pure."""

from __future__ import annotations

from advisor.sentences import capital
from harness.bakeoff.results import IfTodayIsWorse, LimitState, NoRoute, RouteDesign, RouteToToday
from harness.core.records import ArmId
from harness.core.wording import MISSING, money, percent, share_sentence
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import (
    Block,
    Bullets,
    Chart,
    Command,
    Fact,
    Facts,
    Paragraph,
    RecommendationBlock,
    Row,
    Section,
    Span,
    Table,
    said,
    section,
)
from harness.report.topics.cells import accuracy_cell, columns, drawn, row
from harness.report.topics.decision import no_route

WITH_A_ROUTE = "floor,linear,prompt,retrieve,tune,route"
_FLOOR_WORDS = {
    None: "none set",
    LimitState.KEPT: "kept",
    LimitState.OPEN: "not shown to be kept",
    LimitState.BROKEN: "broken",
}


def to_today_section(c: ReportContext) -> Section:
    """An arm answers what it is sure of and today's way does the rest: what that is worth, and when not."""
    route = c.results.route_to_today
    blocks = () if route is None else (*_shared(c, route), _chosen(c, route))
    return section("route-today", "Sharing the work with today's way", *blocks)


def route_steps_section(c: ReportContext) -> Section:
    """What is shown at each threshold that was tested, and what if today's way does worse than stated."""
    route = c.results.route_to_today
    blocks = () if route is None else (_if_worse(c, route), _steps(route))
    return section("route-steps", "Sharing the work: other thresholds, and if today does worse", *blocks)


def _shared(c: ReportContext, route: RouteToToday) -> tuple[Block, ...]:
    """What is known of it on test, or why nothing is shared."""
    if route.first is None or route.threshold is None:
        return (Paragraph(text=_why_not(c, route), tone="warn"),)
    name = capital(c.name(route.first))
    headline = f"{name} answers from a confidence of {route.threshold:.2f} on; the rest stays where it is."
    facts = [
        Fact(label="It answers", text=share_sentence(route.coverage)),
        Fact(label="Right of that", text=share_sentence(route.precision)),
    ]
    if route.blended is not None:
        rest = f", today's way {percent(route.today_accuracy)} right on the rest as stated"
        facts.append(Fact(label="Right in all", text=f"{share_sentence(route.blended)}{rest}"))
    month = next((one for one in c.results.outlook.arms if one.arm.to_today), None)
    if month is not None:
        facts.append(Fact(label="Cost a month, all in", text=said(c.amount(month.month_usd))))
        facts.append(Fact(label="Saved a month", text=said(c.amount(month.saving_usd_per_month))))
    lacking = (Paragraph(text=text, tone="warn") for text in _lacking(route))
    return (Paragraph(text=said(Span(text=headline, strong=True))), *lacking, Facts(rows=tuple(facts)))


def _why_not(c: ReportContext, route: RouteToToday) -> str:
    match route.why_not:
        case NoRoute.NOT_SHOWN:
            best = max((step.low for step in route.steps if step.low is not None), default=None)
            what = "precision" if route.today_accuracy is None else "quality together with today's way"
            first = "no arm" if route.first is None else c.name(route.first)
            return (
                f"No threshold of {first} is shown to keep a {what} of {percent(route.target)} on "
                f"{route.rows:,} rows: at least {percent(best)} is. More labelled rows may show it."
            )
        case NoRoute.COSTS_MORE:
            return "Handing everything to today's way costs no more than sharing the work with it."
        case _ if not c.results.data.labels:
            return (
                "No arm gives a probability that a whole answer is right, so no threshold could say what to "
                "hand over."
            )
        case _:
            return "No arm gives a probability of every label on enough rows to choose a threshold on."


def _lacking(route: RouteToToday) -> list[str]:
    """What nobody stated of today's way, and how to state it."""
    found = []
    if route.today_accuracy is None:
        found.append(
            "How often today's way is right is not stated, so what both do together is not known: "
            "--today-accuracy, or incumbent.accuracy of the use case."
        )
    if route.today_usd_per_item is None:
        found.append(
            "What an item costs today is not stated, so nothing is known of what this saves: "
            "--today-cost, or incumbent.cost_per_item of the use case."
        )
    return found


def _if_worse(c: ReportContext, route: RouteToToday) -> Table | None:
    """The same with today's way worse on what it is handed, which is the harder part."""
    if not route.if_worse:
        return None
    return Table(
        columns=columns(
            ("today's way on", "what it is handed"),
            ("right in all", "% (interval)"),
            "the floor",
            ("wrong answers", "a month more"),
            left=(0, 2),
        ),
        rows=tuple(_worse_row(c, worse) for worse in route.if_worse),
        caption="What is handed over is the harder part: if today's way does worse there than stated",
    )


def _worse_row(c: ReportContext, worse: IfTodayIsWorse) -> Row:
    more = MISSING if worse.more_usd_per_month is None else c.money(worse.more_usd_per_month)
    points_worse = f"{100 * worse.by:g} points worse"
    return row(points_worse, accuracy_cell(worse.blended), _FLOOR_WORDS[worse.floor], more)


def _steps(route: RouteToToday) -> Chart | None:
    """What each tested threshold is shown to reach."""
    if len(route.steps) < 2:
        return None
    spec = drawings.route_to_today(route)
    points = spec.curves[0].points
    words = f"{points[0][2]}, to {points[-1][2]}."
    caption = "What is shown at each threshold that was tested; the one in use costs least a month."
    return drawn("route-today", spec, "What is shown by the share answered.", caption, words=words)


def _chosen(c: ReportContext, route: RouteToToday) -> Paragraph:
    """On which rows and by which test the threshold was chosen."""
    dev = route.rows - route.out_of_fold
    rows = f"{dev:,} dev rows"
    if route.out_of_fold:
        rows = f"{route.out_of_fold:,} training rows out of fold and {rows}"
    what = "precision" if route.today_accuracy is None else "right answers in all"
    shared = "" if len(route.tried) < 2 else f", alpha shared by {len(route.tried)} options"
    return Paragraph(
        text=f"The threshold was chosen on {rows}, never on test: thresholds were tested in a fixed order at "
        f"a risk of {percent(route.alpha)}{shared}, for {percent(route.target)} {what}.",
        tone="faint",
    )


def route_section(c: ReportContext) -> Section:
    """Whether a threshold can be vouched for, and the curve over all of them."""
    design = c.results.route
    blocks = _none(c) if design is None else (_answer(c, design), _curve(c, design))
    return section("route", "The route", *blocks)


def _none(c: ReportContext) -> tuple[Block, ...]:
    notes = no_route(c.results)
    return (
        Bullets(items=notes or ("This run has no route: its plan names none.",)),
        Command(
            command=f"harness bakeoff --arms {WITH_A_ROUTE} --evalset support-tickets",
            purpose="a route needs a linear or tuned arm and a prompted one",
        ),
    )


def _answer(c: ReportContext, design: RouteDesign) -> RecommendationBlock:
    sides = tuple(_side(c, arm) for arm in (design.first, design.then))
    if design.threshold is None:
        headline = (
            f"No threshold is reliable enough between {c.name(design.first)} and {c.name(design.then)}."
        )
        return RecommendationBlock(headline=headline, reasons=(design.reason,), facts=sides, tone="warn")
    return RecommendationBlock(
        headline=f"Keep answers of {c.name(design.first)} from a confidence of {design.threshold:.3f} on; "
        f"hand the others to {c.name(design.then)}.",
        reasons=(
            f"The first arm keeps {share_sentence(design.kept)} of the test items.",
            f"Aimed at a precision of {percent(design.precision, 0)} of what it keeps; the threshold was "
            "chosen on dev, not on the curve below.",
        ),
        facts=sides,
    )


def _side(c: ReportContext, arm: ArmId) -> Fact:
    found = c.arm(arm)
    if found is None:
        return Fact(label=c.title(arm), text=f"{MISSING} (not among the arms)")
    price = found.cost.usd_per_1k
    words = f"{money(price.usd)} per 1,000 ({price.basis.value})"
    return Fact(label=c.title(arm), text=f"{percent(found.quality.primary.value)} right; {words}")


def _curve(c: ReportContext, design: RouteDesign) -> Chart | None:
    if not design.curve:
        return None
    what = "Right answers of the whole by the share kept."
    spec = drawings.route(design, c.results)
    return drawn("route", spec, what, "What handing on more, or less, would bring.")
