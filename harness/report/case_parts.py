"""The parts of the report on a use case: ranked options, reasons, what would change it, assumptions. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from advisor.advice import Advice, Contribution, MoneySpan, OptionAdvice, PaysBack, Prediction, Reason
from advisor.numbers import figure
from advisor.sentences import flip_sentence, named, reason_sentence, settle_sentence
from harness.core.wording import UNKNOWN, Currency, milliseconds, money, one_line, percent
from harness.report.charts import Axis, Interval, IntervalChart, draw
from harness.report.paper import (
    Block,
    Chart,
    Citations,
    Grid,
    Paragraph,
    Part,
    Points,
    References,
    Span,
    Terms,
    Text,
    outside,
    said,
)
from harness.report.plain import capital, option_name
from harness.report.view import Cell, Column, Row, Table

REASONED = 3
"""Options whose reasons are shown in full."""


NOT_BUILT = "Bake-offs measure labels only so far, so this advice cannot be tested with this tool yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDossier:
    """The advice, the reader's currency, and the citations handed out so far.

    Attributes:
        command: what tests the advice; '' where nothing here can.
    """

    advice: Advice
    currency: Currency
    command: str
    cites: Citations = field(default_factory=Citations)

    def reason(self, reason: Reason) -> str:
        """A reason as a sentence without its full stop, in the reader's currency."""
        return one_line(reason_sentence(reason, lambda usd: money(usd, self.currency)))

    def money(self) -> tuple[int, ...]:
        """Where predicted money comes from."""
        case = self.advice.case
        rate = ""
        if self.currency.code != "USD":
            rate = f" 1 US dollar = {self.currency.per_usd} {self.currency.code}"
            rate += f" ({one_line(self.currency.source)})."
        volume = self._stated_or_assumed("queries_per_month", case.queries_per_month)
        horizon = self._stated_or_assumed("horizon_months", case.horizon_months)
        return self.cites.cite(
            f"Money: reckoned before any run for {volume} queries a month over "
            f"{horizon} months; machine hours are illustrative unless given.{rate}"
        )

    def _stated_or_assumed(self, field: str, stated: float | None) -> str:
        """A figure of the use case, or the likely one that stood in for it; 'unknown' without either."""
        if stated is not None:
            return figure(stated)
        found = next((one for one in self.advice.assumptions if one.field == field), None)
        return UNKNOWN if found is None else f"an assumed {figure(found.likely)}"


def money_span(dossier: CaseDossier, span: MoneySpan) -> str:
    """'$2.10 to $4.19', one figure where both are the same, or 'unknown'."""
    if span.low is None or span.high is None:
        return UNKNOWN
    low, high = money(span.low, dossier.currency), money(span.high, dossier.currency)
    return low if low == high else f"{low} to {high}"


def share_span(found: Prediction) -> str:
    """'82.0 % to 96.0 %', or 'unknown'."""
    if found.accuracy_low is None or found.accuracy_high is None:
        return UNKNOWN
    return f"{percent(found.accuracy_low)} to {percent(found.accuracy_high)}"


def months(found: Prediction) -> str:
    """Until building it is earned back: '0.9 to 14.0 months', 'never', 'unknown'."""
    span, verdict = found.payback.months, found.payback.verdict
    if verdict is PaysBack.UNKNOWN:
        return UNKNOWN
    ends = ["never" if value is None else f"{value:.1f}" for value in (span.low, span.high)]
    if ends[0] == ends[1]:
        return ends[0] if ends[0] == "never" else f"{ends[0]} months"
    return f"{ends[0]} to {ends[1]}" + ("" if ends[1] == "never" else " months")


def case_parts(dossier: CaseDossier) -> tuple[Part, ...]:
    """All parts, in reading order."""
    return (
        _options(dossier),
        _reasons(dossier),
        _change(dossier),
        _assumed(dossier),
        _sources(dossier),
    )


def _options(dossier: CaseDossier) -> Part:
    advice = dossier.advice
    ranked = [option for option in advice.options if option.place is not None]
    barred = [option for option in advice.options if option.vetoes]
    blocks: list[Block] = []
    if ranked:
        blocks.append(_ranking(dossier, ranked))
    if barred:
        rows = tuple(
            (
                capital(option_name(option.option.value)),
                said(capital("; ".join(one_line(v.reason) for v in option.vetoes)) + "."),
            )
            for option in barred
        )
        blocks.append(Terms(rows=rows, label="Ruled out before any scoring"))
    return Part(
        key="options",
        title="The options, ranked",
        lead=said("Ranges are what is published for such tasks and what prices and assumptions allow."),
        fresh=True,
        blocks=tuple(blocks),
    )


def _ranking(dossier: CaseDossier, ranked: list[OptionAdvice]) -> Grid:
    heads = (
        ("way of doing it", "model it was reckoned for"),
        ("score", ""),
        ("right answers", "predicted"),
        ("running, per", "1,000 queries"),
        ("a month,", "all in"),
        ("to build,", "once"),
        ("slow answer", "(p95), ms"),
        ("earned", "back in"),
    )
    refs = ((), (), (), dossier.money(), dossier.money(), dossier.money(), (), ())
    today = dossier.advice.incumbent_usd_per_1k
    notes = ["score: the sum of the reasons' points; it ranks, and says nothing of by how much"]
    if today is not None:
        incumbent = dossier.advice.case.incumbent
        right = None if incumbent is None else incumbent.accuracy
        known = "" if right is None else f", {percent(right)} right"
        notes.append(f"today, as stated: {money(today, dossier.currency)} per 1,000 queries{known}")
    table = Table(
        columns=tuple(Column(head=head, right=place > 0) for place, head in enumerate(heads)),
        rows=tuple(_option_row(dossier, option) for option in ranked),
        notes=tuple(notes),
    )
    caption = "Best first. Every figure but the score is a predicted range."
    return Grid(table=table, caption=caption, refs=refs, shares=(2.6, 0.8, 1.5, 1.6, 1.5, 1.5, 1.3, 1.2))


def _option_row(dossier: CaseDossier, option: OptionAdvice) -> Row:
    found = option.prediction
    name = f"{option.place}. {capital(option_name(option.option.value))}"
    if found is None:
        empty = (Cell(text=UNKNOWN) for _ in range(6))
        return Row(cells=(Cell(text=name), Cell(text=f"{option.score:+.2f}"), *empty))
    p95 = f"{milliseconds(found.p95_ms.low)} to {milliseconds(found.p95_ms.high)}"
    return Row(
        cells=(
            Cell(text=name, interval=one_line(found.model)),
            Cell(text=f"{option.score:+.2f}"),
            Cell(text=share_span(found)),
            Cell(text=money_span(dossier, found.usd_per_1k)),
            Cell(text=money_span(dossier, found.usd_per_month)),
            Cell(text=money_span(dossier, found.usd_one_off)),
            Cell(text=p95),
            Cell(text=months(found)),
        ),
        tone="good" if option.place == 1 else "plain",
        key=option.option.value,
    )


def cost_chart(dossier: CaseDossier) -> Chart | None:
    """Predicted costs with everything counted, by option; None where none is known."""
    rows = []
    per = float(dossier.currency.per_usd)
    for option in dossier.advice.options:
        ranked = option.prediction if option.place is not None else None
        span = None if ranked is None else ranked.usd_per_1k_total
        if span is None or span.low is None or span.high is None or span.low <= 0:
            continue
        rows.append(
            Interval(
                label=capital(option_name(option.option.value)),
                note="",
                low=float(span.low) * per,
                value=None if span.likely is None else float(span.likely) * per,
                high=float(span.high) * per,
                words=money_span(dossier, span),
                colour=option.option.traits.colour,
                hollow=True,
                key=option.option.value,
            )
        )
    if not rows:
        return None
    unit = Currency(code=dossier.currency.code)
    axis = Axis(
        title="per 1,000 queries, equal steps are factors of ten", log=True, label=lambda v: money(v, unit)
    )
    listed = "; ".join(f"{row.label}: {row.words}" for row in rows)
    counted = all(o.prediction.wrong_answers_counted for o in dossier.advice.options if o.prediction)
    wrong = "and wrong answers included" if counted else "included, wrong answers left out"
    return Chart(
        key="cost",
        svg=draw("cost", IntervalChart(rows=tuple(rows), axis=axis)),
        alt=f"Chart of predicted costs per 1,000 queries, everything counted. {listed}.",
        caption=said(
            f"Cost per 1,000 queries over the horizon, building, people, changes {wrong}; "
            "the ring is the likely figure.",
            Span(text="", mark="predicted", refs=dossier.money()),
        ),
    )


def _reasons(dossier: CaseDossier) -> Part:
    blocks: list[Block] = []
    for option in dossier.advice.options[:REASONED]:
        if option.place is None:
            continue
        rows = tuple(_reason(dossier, part) for part in option.contributions)
        name = capital(option_name(option.option.value))
        blocks.append(Terms(rows=rows, label=f"{option.place}. {name}: {option.score:+.2f} points"))
        if option.warnings:
            blocks.append(Points(items=tuple(said(capital(dossier.reason(one))) for one in option.warnings)))
    lead = said("Each reason adds or takes points; their sum ranks the options. Weights are set by hand.")
    return Part(key="reasons", title="Why", lead=lead, blocks=tuple(blocks))


def _reason(dossier: CaseDossier, part: Contribution) -> tuple[str, Text]:
    refs = dossier.cites.cite(f"{capital(one_line(part.factor))}: {one_line(part.source)}.")
    return (
        f"{part.points:+.2f}  {one_line(part.factor)}",
        said(Span(text=capital(one_line(part.reason)) + ".", refs=refs)),
    )


def _change(dossier: CaseDossier) -> Part:
    advice = dossier.advice
    blocks: list[Block] = []
    if advice.flips:
        items = tuple(said(f"{capital(flip_sentence(flip))}.") for flip in advice.flips)
        blocks.append(Points(items=items, label="One figure alone would change it"))
    else:
        text = "No single one of volume, change rate, examples and price would, within wide limits."
        blocks.append(Paragraph(text=said(text)))
    if advice.open_questions:
        items = tuple(
            said(
                Span(text=one_line(found.question), strong=True),
                " ",
                "; ".join(
                    f"{one_line(word)}: {'nothing left' if option is None else named(option)}, {answer.value}"
                    for word, option, answer in found.leads_to
                ),
            )
            for found in advice.open_questions
        )
        blocks.append(Points(items=items, label="Answers not given that could change it"))
    settle = advice.settle
    if settle is not None:
        usd = money_span(dossier, settle.usd)
        need = f"Labels and calls: {usd}."
        if settle.items_to_label is not None:
            need = f"Of these {settle.items_to_label:,} are still to be labelled. {need}"
        blocks.append(
            Points(
                items=(
                    said(capital(settle_sentence(settle)), ". ", need),
                    said("Run: ", dossier.command) if dossier.command else said(NOT_BUILT),
                ),
                label="What a measurement takes",
            )
        )
    return Part(key="change", title="What would change this advice", blocks=tuple(blocks))


def _assumed(dossier: CaseDossier) -> Part:
    advice = dossier.advice
    if not advice.assumptions and not advice.unknown:
        return Part(key="assumed", title="Assumed", blocks=())
    blocks: list[Block] = []
    if advice.assumptions:
        rows = tuple(
            Row(
                cells=(
                    Cell(text=one_line(found.field).replace("_", " ")),
                    Cell(text=figure(found.likely)),
                    Cell(text=f"{figure(found.low)} to {figure(found.high)}"),
                    Cell(text=one_line(found.unit)),
                    Cell(text=outside(found.source, 200)),
                )
            )
            for found in advice.assumptions
        )
        heads = (
            ("what nobody said", False),
            ("likely", True),
            ("range", True),
            ("unit", False),
            ("source", False),
        )
        table = Table(columns=tuple(Column(head=(h,), right=right) for h, right in heads), rows=rows)
        caption = "Ranges that stood in for answers."
        blocks.append(Grid(table=table, caption=caption, shares=(2.4, 1, 1.6, 1.6, 3.4)))
    if advice.unknown:
        blocks.append(
            Paragraph(text=said("Not scored, as not known: ", ", ".join(map(one_line, advice.unknown)), "."))
        )
    return Part(key="assumed", title="Assumed", blocks=tuple(blocks))


def _sources(dossier: CaseDossier) -> Part:
    advice = dossier.advice
    rows: list[tuple[str, Text]] = [
        ("Use case", said(f"{outside(advice.case.name)}, sha256 {one_line(advice.case_sha256)}")),
        (
            "Rubric",
            said(f"version {one_line(advice.rubric_version)}, sha256 {one_line(advice.rubric_sha256)}"),
        ),
        *(("Price", said(one_line(price))) for price in advice.prices),
        *(("Note", said(capital(one_line(note)), ".")) for note in advice.notes),
    ]
    return Part(
        key="sources",
        title="Where every figure comes from",
        blocks=(References(), Terms(rows=tuple(rows), label="To do it again")),
    )
