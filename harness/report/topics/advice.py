"""The advice on a use case before anything is measured, as a document: every figure is a prediction. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from advisor.advice import (
    Advice,
    AdviceReason,
    CostBasis,
    Do,
    OptionAdvice,
    OptionPrediction,
)
from advisor.case import UseCase, measured_of
from advisor.money.money import UNKNOWN, MoneyRange
from advisor.numbers import figure
from advisor.sentences import (
    ASSUMED_TITLE,
    CHANGE_TITLE,
    COST,
    NO_FLIP,
    OPEN_SHOWN,
    OPEN_TITLE,
    RULED_OUT_TITLE,
    SURE,
    capital,
    confidence_sentence,
    drilled_words,
    flip_sentence,
    headline,
    leads_sentence,
    months_words,
    order_sentence,
    pair_sentence,
    reason_sentence,
    recommendation_rows,
    seconds_words,
    sentence,
    settle_sentence,
    share_words,
    sharing_sentence,
    span_words,
    today_words,
    unscored_sentence,
    way_price_words,
    way_run_words,
)
from harness.core.wording import MISSING, USD, Currency, money, percent
from harness.report import drawings
from harness.report.context import PLAIN, Branding, rate_words
from harness.report.document import (
    Bullets,
    Cell,
    Chart,
    Command,
    Document,
    Fact,
    Facts,
    Paragraph,
    RecommendationBlock,
    Row,
    Section,
    Sources,
    Span,
    Table,
    Text,
    day_words,
    outside,
    said,
    section,
    there,
)
from harness.report.topics.cells import as_title, columns, drawn, row
from harness.report.topics.sources import short

REASONED = 3
"""Options whose reasons are shown in full."""

TITLE = "RAG or fine-tuning? Prediction, nothing measured yet"
TITLE_MEASURED = "RAG or fine-tuning? Prediction, with what was measured so far"
NOT_BUILT = (
    "Bake-offs measure labels, fields and short answers, so this advice cannot be tested with this tool yet."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceContext:
    """The advice, the reader's currency, and what tests the advice ('' where nothing here can)."""

    advice: Advice
    currency: Currency
    command: str

    def money(self, span: MoneyRange) -> str:
        """'$2.10 to $4.19', one figure where both are the same, or 'unknown'."""
        return span_words(span, self.amount, UNKNOWN)

    def amount(self, usd: Decimal, *, exact: bool = False) -> str:
        """An amount; one that was stated is `exact`."""
        return money(usd, self.currency, exact=exact)

    def predicted(self, span: MoneyRange) -> Span:
        """Predicted money, marked so."""
        return Span(text=self.money(span), mark="predicted", strong=True, sources=self.sources())

    def likely(self, span: MoneyRange) -> Text:
        """The likely sum, marked predicted, and its range beside it; the range alone where none is likely."""
        if span.likely is None or span.low == span.high:
            return said(self.predicted(span))
        likely = Span(
            text=f"about {self.amount(span.likely)}", mark="predicted", strong=True, sources=self.sources()
        )
        return said(likely, f" ({self.money(span)})")

    def sources(self) -> tuple[str, ...]:
        """Where predicted money comes from."""
        case = self.advice.case
        volume = self._stated_or_assumed("queries_per_month", case.queries_per_month)
        horizon = self._stated_or_assumed("horizon_months", case.horizon_months)
        return (
            f"Money: predicted before any run for {volume} queries a month over {horizon} months; "
            "machine hours "
            f"are illustrative unless given.{rate_words(self.currency)}",
        )

    def _stated_or_assumed(self, field: str, stated: float | None) -> str:
        """A figure of the use case, or the likely one that stood in for it; 'unknown' without either."""
        if stated is not None:
            return figure(stated)
        found = next((one for one in self.advice.assumptions if one.field == field), None)
        return UNKNOWN if found is None else f"an assumed {figure(found.likely)}"


def advice_document(advice: Advice, day: datetime, command: str = "", branding: Branding = PLAIN) -> Document:
    """The prediction for a use case.

    Args:
        day: the day whose prices were taken, as the document's time.
        command: what to run to measure it; '' where nothing here can.
    """
    currency = branding.currency or case_currency(advice)
    c = AdviceContext(advice=advice, currency=currency, command=command)
    sections = (
        _decision(c),
        section("options", "The options, ranked: predicted", _accuracy_chart(c.advice)),
        _figures(c),
        section("money", "Money: predicted costs, everything counted", _cost_chart(c)),
        _change(c),
        _reasons(c),
        _ruled_out(c),
        _assumed(c),
        _sources(c),
    )
    return Document(
        title=TITLE_MEASURED if advice.case.measured else TITLE,
        subject=outside(advice.case.name),
        company=outside(branding.company, 60),
        state="prediction",
        sections=tuple(section for section in sections if section.blocks),
        running=f"use case {advice.case_sha256[:12]}, prices of {day_words(day.date())}",
        day=day,
    )


def case_currency(advice: Advice) -> Currency:
    """The currency of the use case, dollars where it gives no rate."""
    rate = advice.rate
    if rate is None or advice.currency == USD.code:
        return USD
    return Currency(code=advice.currency, per_usd=rate.per_usd, source=f"{rate.source}, {rate.as_of}")


def _decision(c: AdviceContext) -> Section:
    advice, done = c.advice, c.advice.recommendation
    notices = ["A prediction: nothing has been measured yet. Figures are ranges of what is published."]
    if advice.case.measured:
        notices = ["A prediction, with what was measured so far. Other figures are published ranges."]
    if advice.cannot_say:
        notices.append(advice.cannot_say)
    pair = Fact(label="RAG or fine-tuning?", text=capital(pair_sentence(advice.pair, done)))
    return section(
        "decision",
        "What to do",
        RecommendationBlock(
            headline=capital(headline(done)),
            reasons=tuple(_reason(c, reason) for reason in done.reasons),
            facts=_facts(c),
            tone="warn" if done.what is Do.CHANGE_THE_CASE else "plain",
        ),
        *(Paragraph(text=notice, tone="warn") for notice in notices),
        Facts(rows=(pair,)),
        page="fit",
    )


def _reason(c: AdviceContext, reason: AdviceReason) -> Text:
    part = reason.contribution
    cited: tuple[str, ...] = () if part is None else (f"{capital(part.factor)}: {part.source}.",)
    if reason.usd is not None:
        cited = c.sources()
    return said(Span(text=sentence(reason_sentence(reason, c.amount)), sources=cited))


def _facts(c: AdviceContext) -> tuple[Fact, ...]:
    advice = c.advice
    rows = recommendation_rows(advice, c.amount)
    spans = {
        COST: Span(text=rows[COST], mark="predicted", sources=c.sources()),
        SURE: Span(
            text=f"{rows[SURE]}.", sources=(f"Confidence: {confidence_sentence(advice.confidence)}.",)
        ),
    }
    facts = [
        Fact(label=label, text=said(spans.get(label, words)))
        for label, words in rows.items()
        if label != COST
    ]
    first = advice.first
    saved = () if first is None or first.prediction is None else _saving(c, first.prediction)
    return (*_cost(c, spans[COST]), *saved, *facts, *_measuring(c))


def _cost(c: AdviceContext, whole: Span) -> tuple[Fact, ...]:
    """What it costs: once and by the month where both are known, else in a sentence."""
    cost = c.advice.recommendation.cost
    if cost is None or cost.basis is not CostBasis.ALL_IN or cost.usd_per_month is None:
        return (Fact(label=COST, text=said(whole)),)
    counted = "all in" if cost.wrong_answers_counted else "wrong answers left out"
    keeping_up = None if cost.drilled is None else capital(drilled_words(cost.drilled, c.amount))
    return there(
        Fact(label="To build, once", text=c.likely(cost.usd_once)),
        Fact(label=f"A month, {counted}", text=c.likely(cost.usd_per_month)),
        None if keeping_up is None else Fact(label="Of it, keeping up", text=keeping_up),
    )


def _measuring(c: AdviceContext) -> list[Fact]:
    """The next step, and what it costs."""
    settle = c.advice.settle
    if not c.command:
        return [Fact(label="Next step", text=NOT_BUILT, tone="warn")]
    steps = [Fact(label="Next step", text="Measure it on rows of your own.")]
    if settle is not None:
        items = Span(text=f"{settle.items:,} items", sources=(f"To decide it: {settle_sentence(settle)}.",))
        label = (
            ""
            if settle.items_to_label is None
            else f", {settle.items_to_label:,} of them still to be labelled"
        )
        text = said("Labels and calls for ", items, f"{label}: ", c.predicted(settle.usd))
        steps.append(Fact(label="The step costs", text=text))
    return steps


def _accuracy(case: UseCase, found: OptionPrediction) -> tuple[str, ...]:
    source = found.accuracy_source
    name = found.option.traits.name
    published = "; published, not measured here" if measured_of(case, found.option) is None else ""
    return (f"Right answers, {name}: {source}{published}.",) if source else ()


def _saving(c: AdviceContext, found: OptionPrediction) -> tuple[Fact, ...]:
    back = found.payback
    if back.monthly_saving.low is None or back.monthly_saving.high is None:
        return (Fact(label="Saved a month, against today", text="unknown: what today costs is not stated"),)
    counted = "" if back.wrong_answers_counted else ", wrong answers left out"
    return (
        Fact(label=f"Saved a month{counted}", text=c.likely(back.monthly_saving)),
        Fact(label="Paid back", text=said(Span(text=months_words(found), mark="predicted", strong=True))),
    )


def _figures(c: AdviceContext) -> Section:
    """Every ranked option in a table; where there are pages, on the first one if that has room."""
    ranked = [option for option in c.advice.options if option.place is not None]
    table = _ranking(c, ranked) if ranked else None
    return section("figures", "Every option in figures: predicted", table, page="new", spare=1)


def ways_section(advice: Advice) -> Section:
    """Every way of today with its price, or why it has none, and what a run measures: for a page, a printed
    prediction names the first option's alone.
    """
    c = AdviceContext(advice=advice, currency=case_currency(advice), command="")
    rows = []
    for found in advice.ways:
        once, month = way_price_words(found, c.amount)
        priced = (once, month) if month else (MISSING, once)
        name = Cell(text=found.way.value, detail=f"can: {found.way.traits.can}")
        rows.append(row(name, *priced, way_run_words(found.way)))
    heads = columns(("way", ""), ("to build,", "once"), ("a month,", "all in"), ("in a run", ""), left=(0, 3))
    note = "predicted, wrong answers left out; what fits the options stands first, in their order"
    return section("ways", "Ways of today", Table(columns=heads, rows=tuple(rows), notes=(note,)))


def _ruled_out(c: AdviceContext) -> Section:
    rows = tuple(
        Fact(
            label=as_title(option.option.traits.name),
            text=sentence("; ".join(veto.reason for veto in option.vetoes)),
        )
        for option in c.advice.options
        if option.vetoes
    )
    return section("ruled-out", RULED_OUT_TITLE, Facts(rows=rows) if rows else None)


def _ranking(c: AdviceContext, ranked: list[OptionAdvice]) -> Table:
    advice = c.advice
    more = (order_sentence(advice), today_words(advice, c.amount), sharing_sentence(advice, c.amount))
    note = "every figure is a predicted range; slow: 95 % of queries are answered within that time"
    return Table(
        columns=columns(
            ("option", ""),
            ("right,", "predicted"),
            ("running, for", "1,000 queries"),
            ("a month,", "all in"),
            ("to build,", "once"),
            ("slow", "answer, s"),
            ("paid back", "in months"),
            sources={2: c.sources(), 3: c.sources(), 4: c.sources()},
        ),
        rows=tuple(_option_row(c, option) for option in ranked),
        notes=(note, *filter(None, more)),
    )


def _option_row(c: AdviceContext, option: OptionAdvice) -> Row:
    found = option.prediction
    name = f"{option.place}. {as_title(option.option.traits.name)}"
    if found is None:
        return row(name, *6 * [UNKNOWN])
    return row(
        Cell(text=name, detail=found.model),
        share_words(found),
        c.money(found.usd_per_1k),
        c.money(found.usd_per_month),
        c.money(found.usd_one_off),
        seconds_words(found),
        months_words(found).removesuffix(" months"),
        tone="good" if option.place == 1 else "plain",
        key=option.option.value,
    )


def _accuracy_chart(advice: Advice) -> Chart | None:
    spec = drawings.predicted_accuracy(advice)
    if not spec.rows:
        return None
    found = (option.prediction for option in advice.options if option.place is not None)
    case = advice.case
    cited = dict.fromkeys(source for one in found if one is not None for source in _accuracy(case, one))
    wanted = f" The dashed line is the {percent(spec.rule, 0)} wanted." if spec.rule is not None else ""
    return drawn(
        "accuracy",
        spec,
        "Chart of predicted ranges of right answers.",
        f"Predicted share of right answers: what is published for such tasks, or was measured.{wanted}",
        sources=tuple(cited),
    )


def _cost_chart(c: AdviceContext) -> Chart | None:
    """Predicted costs with everything counted, by option; None where none is known."""
    spec = drawings.predicted_cost(c.advice, c.currency)
    if not spec.rows:
        return None
    counted = all(one.prediction.wrong_answers_counted for one in c.advice.options if one.prediction)
    wrong = "and wrong answers included" if counted else "included, wrong answers left out"
    return drawn(
        "cost",
        spec,
        "Chart of predicted costs for 1,000 queries, everything counted.",
        f"Cost of 1,000 queries over the horizon: building, people, changes {wrong}. "
        "The ring is the likely figure.",
        sources=c.sources(),
    )


def _change(c: AdviceContext) -> Section:
    """What would turn the advice round, and what is not known."""
    advice = c.advice
    flips = tuple(sentence(flip_sentence(flip)) for flip in advice.flips)
    asked = tuple(
        said(Span(text=found.question, strong=True), " ", leads_sentence(found, advice.pair.answer))
        for found in advice.open_questions[:OPEN_SHOWN]
    )
    left = len(advice.open_questions) - OPEN_SHOWN
    asked += (said(f"and {left} more, which `advisor assess --json` lists"),) if left > 0 else ()
    takes = () if advice.settle is None else (sentence(settle_sentence(advice.settle)),)
    return section(
        "change",
        "What could change this",
        Bullets(items=flips, label=CHANGE_TITLE) if flips else Paragraph(text=NO_FLIP),
        Bullets(items=asked, label=OPEN_TITLE) if asked else None,
        Bullets(items=takes, label="What a measurement takes") if takes else None,
        Command(command=c.command, purpose="measures it on rows of your own") if c.command else None,
    )


def _reasons(c: AdviceContext) -> Section:
    """Each reason once, with the points it gives to the first options."""
    shown = [option for option in c.advice.options[:REASONED] if option.place is not None]
    points: dict[tuple[str, str, str], list[str]] = {}
    for place, option in enumerate(shown):
        for part in option.contributions:
            given = points.setdefault((part.factor, part.reason, part.source), [MISSING] * len(shown))
            given[place] = f"{part.points:+.2f}"
    rows = tuple(
        Fact(
            label=capital(factor),
            text=said(
                Span(text=f"{' / '.join(given)}  ", strong=True),
                Span(text=sentence(reason), sources=(f"{capital(factor)}: {source}.",)),
            ),
        )
        for (factor, reason, source), given in points.items()
    )
    whole = " / ".join(f"{one.place}. {one.option.traits.name} {one.score:+.2f}" for one in shown)
    warned = dict.fromkeys(
        sentence(reason_sentence(one, c.amount)) for option in shown for one in option.warnings
    )
    return section(
        "reasons",
        "Why",
        Facts(rows=rows, label=f"Points of {whole}") if rows else None,
        Bullets(items=tuple(warned)) if warned else None,
        lead="Each reason adds or takes points; their sum ranks the options. Weights are set by hand.",
    )


def _assumed(c: AdviceContext) -> Section:
    advice = c.advice
    rows = tuple(
        row(
            found.field.replace("_", " "),
            figure(found.likely),
            f"{figure(found.low)} to {figure(found.high)}",
            found.unit,
            outside(found.source, 200),
        )
        for found in advice.assumptions
    )
    heads = columns("what was not stated", "likely", "range", "unit", "source", left=(0, 3, 4))
    return section(
        "assumed",
        "Assumed",
        Table(columns=heads, rows=rows, caption=f"{ASSUMED_TITLE}.") if rows else None,
        Paragraph(text=unscored_sentence(advice)) if advice.unknown else None,
    )


def _sources(c: AdviceContext) -> Section:
    advice = c.advice
    rows = (
        Fact(label="Use case", text=f"{outside(advice.case.name)}, sha256 {short(advice.case_sha256)}"),
        Fact(label="Rubric", text=f"version {advice.rubric_version}, sha256 {short(advice.rubric_sha256)}"),
        *(Fact(label="Price", text=price) for price in advice.prices),
        *(Fact(label="Note", text=note) for note in advice.notes),
    )
    again = Facts(rows=rows, label="To do it again")
    return section("sources", "Where every figure comes from", Sources(), again)
