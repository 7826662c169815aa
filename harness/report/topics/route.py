"""A route: what it keeps, what handing on more would bring, and its two sides. Pure."""

from __future__ import annotations

from harness.bakeoff.results import RouteDesign
from harness.core.records import ArmId
from harness.core.wording import MISSING, money, percent, share_sentence
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import Block, Bullets, Command, Fact, RecommendationBlock, Section
from harness.report.topics.arms import title_of
from harness.report.topics.cells import drawn
from harness.report.topics.decision import no_route
from harness.report.topics.names import namer

WITH_A_ROUTE = "floor,linear,prompt,retrieve,tune,route"


def route_section(c: ReportContext) -> Section:
    """Whether a threshold can be vouched for, and the curve over all of them."""
    design = c.results.route
    blocks: tuple[Block, ...] = _none(c) if design is None else (_answer(c, design), *_curve(c, design))
    return Section(key="route", title="The route", blocks=blocks)


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
    name = namer(c.results)
    sides = tuple(_side(c, arm) for arm in (design.first, design.then))
    if design.threshold is None:
        headline = f"No threshold is reliable enough between {name(design.first)} and {name(design.then)}."
        return RecommendationBlock(headline=headline, reasons=(design.reason,), facts=sides, tone="warn")
    return RecommendationBlock(
        headline=f"Keep answers of {name(design.first)} from a confidence of {design.threshold:.3f} on; "
        f"hand the others to {name(design.then)}.",
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
        return Fact(label=title_of(c)(arm), text=f"{MISSING} (not among the arms)")
    price = found.cost.usd_per_1k
    words = f"{money(price.usd)} per 1,000 ({price.basis.value})"
    return Fact(label=title_of(c)(arm), text=f"{percent(found.quality.accuracy.value)} right; {words}")


def _curve(c: ReportContext, design: RouteDesign) -> tuple[Block, ...]:
    if not design.curve:
        return ()
    what = "Right answers of the whole by the share kept."
    spec = drawings.route(design, c.results)
    return (drawn("route", spec, what, "What handing on more, or less, would bring."),)
