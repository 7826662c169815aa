"""The report on a use case before anything is measured: every figure is a prediction, and says so. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from advisor.advice import Advice, OptionAdvice, PaysBack, Prediction
from advisor.sentences import (
    confidence_sentence,
    flip_sentence,
    headline,
    pair_sentence,
    settle_sentence,
)
from harness.core.wording import USD, one_line, percent
from harness.report.case_parts import (
    NOT_BUILT,
    CaseDossier,
    case_parts,
    cost_chart,
    money_span,
    months,
    share_span,
)
from harness.report.charts import Interval, IntervalChart, draw
from harness.report.dress import PLAIN, Dress, Rate, chosen_currency
from harness.report.paper import (
    Block,
    Card,
    Cards,
    Chart,
    Panel,
    Panels,
    Paper,
    Span,
    day_words,
    outside,
    said,
)
from harness.report.plain import capital, option_name
from harness.report.svg import FAINT

TITLE = "RAG or fine-tuning? Prediction"


def case_paper(advice: Advice, day: datetime, command: str, dress: Dress = PLAIN) -> Paper:
    """The prediction for a use case.

    Args:
        day: the day whose prices were taken, as the document's time.
        command: what to run to measure it.
    """
    rate = stated_rate(advice)
    own = USD if rate is None else chosen_currency(rate.code, rate) or USD
    dossier = CaseDossier(advice=advice, currency=dress.currency or own, command=one_line(command))
    first = advice.first
    summary = _summary(dossier, first)
    parts = case_parts(dossier)
    notices = ["A prediction: nothing has been measured yet, and figures are ranges of what is published."]
    if advice.cannot_say:
        notices.append(one_line(advice.cannot_say))
    return Paper(
        state="prediction",
        title=TITLE,
        company=outside(dress.company, 60),
        question="RAG or fine-tuning?",
        subject=outside(advice.case.name),
        headline=f"First: {headline(advice.recommendation)}",
        standfirst=said(*_reasons(dossier)),
        notices=tuple(notices),
        summary=summary,
        parts=tuple(part for part in parts if part.blocks),
        references=dossier.cites.sources,
        running=f"use case {advice.case_sha256[:12]}, prices of {day_words(day.date())}",
        day=day,
    )


def stated_rate(advice: Advice) -> Rate | None:
    """The currency of the use case with its rate; None in dollars."""
    if advice.rate is None:
        return None
    source = f"{advice.rate.source}, {advice.rate.as_of}"
    return Rate(code=advice.currency, per_usd=advice.rate.per_usd, source=source)


def _reasons(dossier: CaseDossier) -> list[str]:
    """The three reasons, and then the answer to the question of the title."""
    done = dossier.advice.recommendation
    reasons = [f"{capital(dossier.reason(reason))}. " for reason in done.reasons]
    return [*reasons, f"RAG or fine-tuning? {capital(one_line(pair_sentence(dossier.advice.pair, done)))}"]


def _summary(dossier: CaseDossier, first: OptionAdvice | None) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if first is not None and first.prediction is not None:
        blocks.append(Cards(cards=_cards(dossier, first.prediction)))
    drawn = _accuracy_chart(dossier)
    if drawn is not None:
        blocks.append(drawn)
    costs = cost_chart(dossier)
    if costs is not None:
        blocks.append(costs)
    blocks.append(Panels(panels=(_next_step(dossier), _doubt(dossier))))
    return tuple(blocks)


def _cards(dossier: CaseDossier, found: Prediction) -> tuple[Card, ...]:
    sure = dossier.advice.confidence
    return (
        Card(
            label="Right answers",
            value=Span(text=share_span(found), mark="predicted", refs=dossier.cites.cite(_accuracy(found))),
            note=said("published ranges; yours may lie outside"),
        ),
        Card(
            label="Cost a month",
            value=Span(text=money_span(dossier, found.usd_per_month), mark="predicted", refs=dossier.money()),
            note=said(f"to build: {money_span(dossier, found.usd_one_off)}"),
        ),
        _saving_card(dossier, found),
        Card(
            label="How sure",
            value=Span(text=capital(sure.certainty.value)),
            note=said(
                f"about {percent(sure.share, 0)}",
                Span(text=".", refs=dossier.cites.cite(f"Confidence: {confidence_sentence(sure)}.")),
            ),
            mood="warn",
        ),
    )


def _accuracy(found: Prediction) -> str:
    source = one_line(found.accuracy_source)
    return f"Right answers, {found.option.value}: {source}; published, not measured here." if source else ""


def _saving_card(dossier: CaseDossier, found: Prediction) -> Card:
    """What is saved a month, as a range; good only where every scenario pays back within the horizon."""
    back = found.payback
    span = back.monthly_saving
    if span.low is None or span.high is None:
        why = "what today costs is not stated"
        return Card(label="Saved a month", value=Span(text="unknown"), note=said(why), mood="warn")
    counted = "with" if back.wrong_answers_counted else "without"
    return Card(
        label="Saved a month, against today",
        value=Span(text=money_span(dossier, span), mark="predicted", refs=dossier.money()),
        note=said(f"{counted} wrong answers; earned back: {months(found)}"),
        mood="good" if back.verdict is PaysBack.YES else "warn",
    )


def _accuracy_chart(dossier: CaseDossier) -> Chart | None:
    rows = tuple(_accuracy_row(option) for option in _predicted(dossier.advice))
    if not rows:
        return None
    listed = "; ".join(f"{row.label}: {row.words}" for row in rows)
    return Chart(
        key="accuracy",
        svg=draw("accuracy", IntervalChart(rows=rows)),
        alt=f"Chart of predicted ranges of right answers. {listed}.",
        caption=said(
            "Predicted share of right answers: the range that is published for such tasks.",
            Span(
                text="",
                mark="predicted",
                refs=dossier.cites.cite(*(_accuracy(row) for row in _predictions(dossier.advice))),
            ),
        ),
    )


def _predicted(advice: Advice) -> list[OptionAdvice]:
    return [option for option in advice.options if option.place is not None and option.prediction is not None]


def _predictions(advice: Advice) -> Iterable[Prediction]:
    return (option.prediction for option in _predicted(advice) if option.prediction is not None)


def _accuracy_row(option: OptionAdvice) -> Interval:
    found = option.prediction
    assert found is not None
    known = found.accuracy_low is not None
    return Interval(
        label=f"{option.place}. {capital(option_name(option.option.value))}",
        note=one_line(found.model),
        low=found.accuracy_low,
        value=None,
        high=found.accuracy_high,
        words=share_span(found),
        colour=option.option.traits.colour if known else FAINT,
        hollow=True,
        key=option.option.value,
    )


def _next_step(dossier: CaseDossier) -> Panel:
    settle = dossier.advice.settle
    if not dossier.command:
        return Panel(title="Next step", lines=(said(NOT_BUILT),), mood="warn")
    lines = [said("Measure it: the prediction is locked first, then every option answers the same items.")]
    if settle is not None:
        items = f"{settle.items:,} items would tell the two closest options apart"
        lines.append(
            said(Span(text=items, refs=dossier.cites.cite(f"To settle it: {settle_sentence(settle)}.")), ".")
        )
        lines.append(
            said(
                "Labels and calls for that: ",
                Span(text=money_span(dossier, settle.usd), strong=True, mark="predicted"),
            )
        )
    lines.append(said("Run: ", Span(text=dossier.command, strong=True)))
    return Panel(title="Next step", lines=tuple(lines), mood="good")


def _doubt(dossier: CaseDossier) -> Panel:
    """What would turn the advice round, or else how little it rests on."""
    advice = dossier.advice
    lines = [said(capital(flip_sentence(flip)), ".") for flip in advice.flips[:2]]
    if not lines:
        lines = [said("No single one of volume, change rate, examples and price would, within wide limits.")]
    if advice.open_questions:
        asked = one_line(advice.open_questions[0].question)
        lines.append(said("Not answered, and it could: ", Span(text=asked, strong=True)))
    return Panel(title="What would change it", lines=tuple(lines), mood="warn")
