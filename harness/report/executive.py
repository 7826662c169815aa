"""The report for those who decide, as content: what stands on each page, every figure worded. Pure.

Page 1 stands alone: the decision, the money against today, how sure it is, the risk and the next step.
The parts behind it are made in `executive_parts` and `executive_limits`; nothing here is computed, and
every figure cites what it rests on.
"""

from __future__ import annotations

from datetime import UTC, datetime

from harness.bakeoff.results import Answer, ArmResult
from harness.bakeoff.wording import more_items_words
from harness.core.wording import (
    USD,
    Currency,
    bounds,
    level,
    marked_money,
    money,
    money_range,
    one_line,
    percent,
)
from harness.money.records import Amount, ArmForecast, CostForecast
from harness.recommendation.records import Certainty, RunResults
from harness.report.charts import Bar, BarChart, Slice, draw
from harness.report.details import Closing
from harness.report.dossier import Dossier, amount_words, money_axis
from harness.report.dress import PLAIN, Dress, Rate, chosen_currency
from harness.report.executive_limits import NO_LAST_DAY, change_part, method_part, risk_part, sources_part
from harness.report.executive_money import money_part
from harness.report.executive_parts import (
    accuracy_chart,
    advice_part,
    compared_part,
    has_months,
    nearest_card,
    new_to_it,
)
from harness.report.palette import MONTH_COLOURS
from harness.report.paper import (
    Block,
    Card,
    Cards,
    Chart,
    Panel,
    Panels,
    Paper,
    Span,
    Text,
    day_words,
    outside,
    said,
)
from harness.report.plain import all_barred, arm_ids, capital, decision, in_plain_words, plain_name
from harness.report.recommendation_words import reason_sentence, risk_sentence, step_action
from harness.report.svg import TODAY
from harness.report.tables import arm_named

TITLE = "RAG or fine-tuning? Decision report"


def run_paper(results: RunResults, closing: Closing | None, dress: Dress = PLAIN) -> Paper:
    """The report of a run.

    Args:
        closing: the run's manifest; None for an incomplete run, and then every page says so.
    """
    return paper_of(run_dossier(results, closing, dress), dress)


def run_dossier(results: RunResults, closing: Closing | None, dress: Dress = PLAIN) -> Dossier:
    """The records of a run, in the currency its readers are shown."""
    return Dossier(results=results, closing=closing, currency=dress.currency or reader_currency(results))


def paper_of(dossier: Dossier, dress: Dress = PLAIN) -> Paper:
    """The report, and in the dossier what it cites."""
    results, closing = dossier.results, dossier.closing
    summary = _summary(dossier)
    standfirst = _standfirst(dossier)
    parts = (
        compared_part(dossier),
        advice_part(dossier),
        money_part(dossier),
        change_part(dossier),
        risk_part(dossier),
        method_part(dossier),
        sources_part(dossier),
    )
    return Paper(
        state="measured" if closing is not None else "incomplete",
        title=TITLE,
        company=outside(dress.company, 60),
        question="RAG or fine-tuning?",
        subject=outside(results.data.title),
        headline=decision(results),
        standfirst=standfirst,
        notices=_notices(results, closing),
        summary=summary,
        parts=tuple(part for part in parts if part.blocks),
        references=dossier.cites.sources,
        running=f"run {one_line(results.run_id)}",
        day=_begun(results.run_id) if closing is None else closing.finished_at,
    )


def _begun(run_id: str) -> datetime:
    """When a run began, by its id; a document must have a time, and this one never changes."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)


def stated_rate(results: RunResults) -> Rate | None:
    """The currency the use case asks for with its rate; None where it gives none."""
    rate = None if results.outlook is None else results.outlook.business.exchange
    return None if rate is None else Rate(code=rate.currency, per_usd=rate.per_usd, source=rate.said)


def reader_currency(results: RunResults) -> Currency:
    """The currency the use case asks for, dollars where it gives no rate."""
    stated = stated_rate(results)
    return USD if stated is None else (chosen_currency(stated.code, stated) or USD)


def _notices(results: RunResults, closing: Closing | None) -> tuple[str, ...]:
    found = []
    if closing is None:
        found.append("Incomplete run: it has no manifest yet, so figures may change.")
    if results.recommendation.ship is None:
        found.append(
            "No arm may be shipped as things stand."
            if results.recommendation.pilot is None
            else "No arm is shown to keep every limit yet: a pilot is as far as these items go."
        )
    if results.verdict.pair is None:
        found.append("RAG and fine-tuning were not both run, so they are not compared.")
    elif results.verdict.answer is Answer.NOT_ENOUGH_EVIDENCE:
        found.append(_not_enough(results))
    if results.outlook is None:
        found.append("No monthly figures: the plan says nothing of volume and of what is done today.")
    elif not has_months(results):
        found.append("No monthly totals: the plan does not state all they are made of (see The money).")
    return tuple(found)


def _not_enough(results: RunResults) -> str:
    asked = set(results.verdict.pair or ())
    found = next((c for c in results.comparisons if {c.a, c.b} == asked), None)
    more = "" if found is None else f" {capital(more_items_words(found.more_items))}."
    return f"Not enough evidence: RAG and fine-tuning cannot be told apart on these items.{more}"


def _standfirst(dossier: Dossier) -> Text:
    results = dossier.results
    ship = arm_named(results, results.recommendation.ship)
    if ship is None:
        return _none_because(results)
    accuracy = ship.quality.accuracy
    name = capital(plain_name(ship.arm, arm_ids(results)))
    return said(
        f"{name} answered ",
        Span(text=percent(accuracy.value), strong=True, refs=dossier.accuracy(ship)),
        f" of {accuracy.n:,} test items correctly. {new_to_it(ship)}",
    )


def _none_because(results: RunResults) -> Text:
    """Why nothing may be used; the limits an arm breaks stand in the table of what was compared."""
    if all_barred(results):
        return said("Every way that was tried breaks a limit that was set before the run.")
    return said(in_plain_words(reason_sentence(results.recommendation.reasons[0]), results))


def _summary(dossier: Dossier) -> tuple[Block, ...]:
    results = dossier.results
    ship = arm_named(results, results.recommendation.ship)
    outlook = results.outlook
    cards = [*_money_cards(dossier, ship), _accuracy_card(dossier, ship), _sure_card(results)]
    blocks: list[Block] = [Cards(cards=tuple(cards))]
    known = has_months(results)
    blocks.append(month_chart(dossier, outlook) if outlook and known else accuracy_chart(dossier))
    blocks.append(_panels(dossier))
    return tuple(blocks)


def _money_cards(dossier: Dossier, ship: ArmResult | None) -> list[Card]:
    outlook = dossier.results.outlook
    found = None if ship is None else dossier.outlook_of(ship.arm)
    if outlook is None or found is None or found.month_usd.usd is None:
        return [_price_card(dossier, ship), _no_money_card(outlook, ship)]
    queries = f"{outlook.business.queries_per_month:,} queries a month, all costs in"
    cost = Card(
        label="Cost a month",
        value=amount_words(dossier, found.month_usd),
        note=said(money_range(found.month_usd, dossier.currency) or found.month_usd.reason, f"; {queries}"),
    )
    return [cost, _saving_card(dossier, outlook, found)]


def _saving_card(dossier: Dossier, outlook: CostForecast, found: ArmForecast) -> Card:
    saving, currency = found.saving_usd_per_month, dossier.currency
    today = outlook.incumbent
    if today is None or saving.usd is None:
        why = "what is done today is not stated" if today is None else "see The money for what is missing"
        return Card(label="Against today", value=Span(text="unknown"), note=said(why), mood="warn")
    words = f"{money(abs(saving.usd), currency)} {'less' if saving.usd >= 0 else 'more'}"
    return Card(
        label="Against today",
        value=Span(text=words, refs=dossier.money()),
        note=said(
            f"today {money(today.month_usd.usd, currency)} a month ({one_line(today.kind)})",
            Span(text="", mark="as stated", refs=dossier.today()),
        ),
        mood="good" if saving.usd > 0 else "warn",
    )


def _price_card(dossier: Dossier, ship: ArmResult | None) -> Card:
    if ship is None:
        return Card(
            label="Cost per 1,000 queries", value=Span(text="-"), note=said("nothing to ship"), mood="warn"
        )
    price = ship.cost.usd_per_1k
    return Card(
        label="Cost per 1,000 queries",
        value=dossier.price(price),
        note=said(one_line(price.reason) or "calls and machines only"),
    )


def _no_money_card(outlook: CostForecast | None, ship: ArmResult | None) -> Card:
    if ship is None and outlook is not None:
        return Card(label="Against today", value=Span(text="-"), note=said("nothing to ship"), mood="warn")
    note = "the plan does not say what is done today"
    if outlook is not None:
        note = "a month's total is not known: see The money"
    return Card(label="Against today", value=Span(text="unknown"), note=said(note), mood="warn")


def _accuracy_card(dossier: Dossier, ship: ArmResult | None) -> Card:
    if ship is None:
        return nearest_card(dossier)
    accuracy = ship.quality.accuracy
    inside = bounds(accuracy).replace("-", " to ")
    note = f"{level(accuracy)} {inside}, n={accuracy.n:,}" if inside else f"n={accuracy.n:,}"
    return Card(
        label="Right answers",
        value=Span(text=percent(accuracy.value), refs=dossier.accuracy(ship)),
        note=said(note),
    )


def _sure_card(results: RunResults) -> Card:
    verdict, among = results.recommendation, arm_ids(results)
    rivals = ", ".join(plain_name(arm, among) for arm in verdict.open_to)
    words, note = {
        Certainty.ALL: ("Sure", "Every comparison with it is settled on these items."),
        Certainty.SOME_OPEN: ("Fairly sure", f"Not settled on these items: the difference to {rivals}."),
        Certainty.NO_RIVAL: ("Nothing to compare", "The run has no other arm that was compared with it."),
        Certainty.NO_ARM: ("No arm", "None can be recommended."),
    }[verdict.certainty]
    return Card(
        label="How sure",
        value=Span(text=words),
        note=said(note),
        mood="good" if verdict.certainty is Certainty.ALL else "warn",
    )


def _panels(dossier: Dossier) -> Panels:
    return Panels(panels=(_answer(dossier), _next_step(dossier), _risk(dossier.results), _holds(dossier)))


def _answer(dossier: Dossier) -> Panel:
    """RAG or fine-tuning, with what both mean and how they did."""
    results = dossier.results
    lines = [
        said(
            "RAG shows the model similar past items before it answers. "
            "Fine-tuning adapts a model to past items beforehand."
        )
    ]
    found = [arm_named(results, arm) for arm in results.verdict.pair or ()]
    pair = [arm for arm in found if arm is not None]
    if len(pair) == 2:
        names = [plain_name(arm.arm, arm_ids(results)) for arm in pair]
        shares = [percent(arm.quality.accuracy.value) for arm in pair]
        lines.append(
            said(
                f"Right answers: {names[0]} ",
                Span(text=shares[0], strong=True),
                f", {names[1]} ",
                Span(text=shares[1], strong=True, refs=dossier.accuracy(*pair)),
                ".",
            )
        )
    return Panel(title="RAG or fine-tuning?", lines=tuple(lines))


def _risk(results: RunResults) -> Panel:
    worst = risk_sentence(results.recommendation.risk)
    return Panel(title="The main risk", lines=(said(in_plain_words(worst, results)),), mood="warn")


def _next_step(dossier: Dossier) -> Panel:
    step = dossier.results.recommendation.next
    lines = [said(in_plain_words(step_action(step, dossier.results), dossier.results))]
    more = _range(dossier, step.usd) if step.usd.usd is not None else " (what is missing: see The money)"
    lines.append(said("Cost: ", amount_words(dossier, step.usd, strong=True), more))
    lines.append(said("Who decides: ", Span(text=step.decides.value, strong=True)))
    return Panel(title="Next step", lines=tuple(lines), mood="good")


def _holds(dossier: Dossier) -> Panel:
    outlook = dossier.results.outlook
    title = "Until when this holds"
    if outlook is None or outlook.valid_until is None:
        return Panel(title=title, lines=(said(NO_LAST_DAY),))
    lines = [said(Span(text=day_words(outlook.valid_until), strong=True, refs=dossier.validity()))]
    lines += [
        said(in_plain_words(limit.sentence, dossier.results))
        for limit in outlook.limits
        if limit.on == outlook.valid_until
    ][:1]
    return Panel(title=title, lines=tuple(lines))


def _range(dossier: Dossier, amount: Amount) -> str:
    words = money_range(amount, dossier.currency)
    return f" ({words})" if words else ""


def month_chart(dossier: Dossier, outlook: CostForecast) -> Chart:
    """What each arm costs a month, beside what today costs."""
    currency = dossier.currency
    rows = []
    if outlook.incumbent is not None and outlook.incumbent.month_usd.usd is not None:
        words = money(outlook.incumbent.month_usd.usd, currency)
        piece = Slice(name="today", value=dossier.shown(outlook.incumbent.month_usd.usd) or 0.0, words=words)
        rows.append(
            Bar(
                label="Today",
                note=one_line(outlook.incumbent.kind),
                slices=(piece,),
                words=words,
                colour=TODAY,
            )
        )
    for found in outlook.arms:
        rows.append(_month_bar(dossier, found))
    said_all = "; ".join(f"{row.label}: {row.words}" for row in rows)
    return Chart(
        key="month",
        svg=draw("month", BarChart(rows=tuple(rows), axis=money_axis(currency), colours=MONTH_COLOURS)),
        alt=f"Bar chart of the cost of a month. {said_all}.",
        caption=said(
            "Cost of a month by what it is paid for; the thin line is the range of what is assumed.",
            Span(text="", refs=dossier.money()),
        ),
    )


def _month_bar(dossier: Dossier, found: ArmForecast) -> Bar:
    amount, results = found.month_usd, dossier.results
    slices = tuple(
        Slice(
            name=part.group,
            value=dossier.shown(part.amount.usd) or 0.0,
            words=money(part.amount.usd, dossier.currency),
        )
        for part in found.month
        if amount.usd is not None
    )
    return Bar(
        label=capital(plain_name(found.arm, arm_ids(results))),
        note=one_line(str(found.arm)) + (", ruled out" if found.barred else ""),
        slices=slices,
        words=marked_money(amount, dossier.currency),
        low=dossier.shown(amount.low_usd),
        high=dossier.shown(amount.high_usd),
        bold=found.arm == results.recommendation.ship,
        key=one_line(str(found.arm)),
    )
