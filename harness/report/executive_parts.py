"""The parts of the executive report on quality: what was compared, real differences, the prediction. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.results import ArmResult, Money
from harness.bakeoff.wording import limit_words
from harness.core.records import ArmId
from harness.core.wording import busy_mark, marked_money, one_line, percent, short_money
from harness.recommendation.records import RunResults
from harness.report.advice import worded
from harness.report.charts import Interval, IntervalChart, draw
from harness.report.details import short
from harness.report.dossier import MARKS, Dossier
from harness.report.palette import colour_of
from harness.report.paper import Block, Card, Chart, Grid, Part, Points, Span, said
from harness.report.plain import arm_ids, capital, in_plain_words, option_name, plain_name
from harness.report.tables import accuracy_cell, all_rows_notes, difference_cell, p_value, times, timing_notes
from harness.report.view import Cell, Column, Row, Table
from harness.track_record.records import CheckedRange

MOST_DIFFERENCES = 6
_RELATION = {
    Relation.BETTER: "better",
    Relation.WORSE: "worse",
    Relation.EQUIVALENT: "the same, within the margin",
    Relation.NON_INFERIOR: "not worse by the margin",
    Relation.NON_SUPERIOR: "not better by the margin",
    Relation.UNDECIDED: "not settled",
}


def compared_part(dossier: Dossier) -> Part:
    """Every arm in a table, and the accuracies as a chart."""
    results = dossier.results
    data = results.data
    lead = said(
        f"{len(results.arms)} ways of doing it answered the same {data.test:,} test items. "
        f"{new_to_it(results.arms[0]) if results.arms else ''}"
    )
    drawn = (accuracy_chart(dossier),) if has_months(results) else ()  # else it stands on page 1
    return Part(
        key="compared",
        title="What was compared",
        lead=lead,
        fresh=True,
        blocks=(_arms_grid(dossier), *drawn, *_differences(dossier)),
    )


def new_to_it(arm: ArmResult) -> str:
    """Whether the test items were new to what learned from the training rows."""
    quality = arm.quality
    known = quality.accuracy.n - quality.accuracy_without_overlap.n
    if not known:
        return "None had been seen before."
    return f"All but {known:,} were new: these stand word for word among the items to learn from."


def nearest_card(dossier: Dossier) -> Card:
    """Where nothing may be shipped: the most accurate arm, and that it may not."""
    arms = [arm for arm in dossier.results.arms if arm.arm.option is not Option.FLOOR]
    best = max(arms, key=lambda arm: arm.quality.accuracy.value or 0.0, default=None)
    if best is None:
        return Card(label="Right answers", value=Span(text="-"), note=said("nothing to ship"), mood="warn")
    name = plain_name(best.arm, arm_ids(dossier.results))
    return Card(
        label="Right answers, at best",
        value=Span(text=percent(best.quality.accuracy.value), refs=dossier.accuracy(best)),
        note=said(f"{name}, not to be used as it is"),
        mood="warn",
    )


def has_months(results: RunResults) -> bool:
    """Whether any arm's month is known."""
    return results.outlook is not None and any(
        found.month_usd.usd is not None for found in results.outlook.arms
    )


def _arms_grid(dossier: Dossier) -> Grid:
    arms = dossier.results.arms
    heads = (
        ("way of doing it", "option@model"),
        ("right answers %", "(95 % interval)"),
        ("typical / slow", "answer, ms"),
        ("per 1,000", "queries"),
        ("per 1,000", "right answers"),
        ("a month,", "all in"),
    )
    refs = (
        (),
        dossier.accuracy(*arms),
        dossier.latency(*arms),
        dossier.prices(*(arm.cost.usd_per_1k for arm in arms)),
        dossier.prices(*(arm.cost.usd_per_1k_correct for arm in arms)),
        dossier.money(),
    )
    notes = [
        "typical / slow: half and 95 % of the queries were answered within this time",
        "per 1,000: calls and machines only; a month: people, changes and wrong answers too",
        *_ruled_out(dossier),
        *_marks_used(dossier, arms),
        *all_rows_notes(arms, lambda arm: _name(dossier, arm)),
        *timing_notes(arms, {arm.arm: _name(dossier, arm.arm) for arm in arms}),
    ]
    table = Table(
        columns=tuple(Column(head=head, right=place > 0) for place, head in enumerate(heads)),
        rows=tuple(_arm_row(dossier, arm) for arm in arms),
        notes=tuple(dict.fromkeys(notes)),
    )
    return Grid(
        table=table,
        caption="Every way that was run, in the order of the plan.",
        refs=refs,
        shares=(3.3, 1.75, 1.6, 1.45, 1.45, 1.45),
    )


def _ruled_out(dossier: Dossier) -> list[str]:
    """Why arms may not be used, a line an arm."""
    reasons: dict[ArmId, list[str]] = {}
    for check in dossier.results.verdict.broken:
        reasons.setdefault(check.arm, []).append(one_line(limit_words(check)))
    return [f"{_name(dossier, arm)} is ruled out: {'; '.join(why)}" for arm, why in reasons.items()]


def _arm_row(dossier: Dossier, arm: ArmResult) -> Row:
    verdict, latency = dossier.results.verdict, arm.latency
    found = dossier.outlook_of(arm.arm)
    month = Cell(text="-") if found is None else Cell(text=marked_money(found.month_usd, dossier.currency))
    ships, barred = arm.arm == dossier.results.recommendation.ship, arm.arm in verdict.barred
    name = capital(plain_name(arm.arm, arm_ids(dossier.results)))
    state = ": to use" if ships else ": ruled out" if barred else ""
    return Row(
        cells=(
            Cell(text=name + state, interval=one_line(str(arm.arm))),
            accuracy_cell(arm.quality.accuracy),
            Cell(text=times(latency), n=latency.p50_ms.n),
            _price_cell(dossier, arm.cost.usd_per_1k),
            _price_cell(dossier, arm.cost.usd_per_1k_correct),
            month,
        ),
        tone="good" if ships else "faint" if barred else "plain",
        key=one_line(str(arm.arm)),
    )


def _price_cell(dossier: Dossier, price: Money) -> Cell:
    mark = (
        ""
        if price.usd is None
        else {"": "", "list price": "+", "illustrative": "*", "estimate": "~"}[MARKS[price.basis]]
    )
    text = f"{short_money(price.usd, dossier.currency)}{mark}{busy_mark(price.busy)}"
    return Cell(text=text, source=one_line(price.source))


def _marks_used(dossier: Dossier, arms: Sequence[ArmResult]) -> list[str]:
    words = {
        "+": "+ counted tokens at public list prices",
        "*": "* at an illustrative machine price: an example, no offer",
        "~": "~ estimate: tokens counted with another model's tokenizer",
    }
    shown = {_price_cell(dossier, arm.cost.usd_per_1k).text.rstrip("!")[-1] for arm in arms}
    return [words[mark] for mark in words if mark in shown]


def accuracy_chart(dossier: Dossier) -> Chart:
    """Right answers of every arm with their intervals."""
    results = dossier.results
    rows = tuple(_accuracy_row(arm, results) for arm in results.arms)
    listed = "; ".join(f"{row.label}: {row.words}" for row in rows)
    return Chart(
        key="accuracy",
        svg=draw("accuracy", IntervalChart(rows=rows)),
        alt=f"Chart of right answers with their 95 % intervals. {listed}.",
        caption=said(
            "Share of right answers. The bar is the 95 % interval: where two bars overlap widely, "
            "the order may be chance.",
            Span(text="", refs=dossier.accuracy(*results.arms)),
        ),
    )


def _accuracy_row(arm: ArmResult, results: RunResults) -> Interval:
    accuracy = arm.quality.accuracy
    verdict, among = results.verdict, arm_ids(results)
    barred = arm.arm in verdict.barred
    state = ", to use" if arm.arm == results.recommendation.ship else ", ruled out" if barred else ""
    return Interval(
        label=capital(plain_name(arm.arm, among)),
        note=one_line(str(arm.arm)) + state,
        low=accuracy.low,
        value=accuracy.value,
        high=accuracy.high,
        words=percent(accuracy.value),
        colour=colour_of(arm.arm),
        key=one_line(str(arm.arm)),
    )


def _differences(dossier: Dossier) -> list[Block]:
    """Which differences are real, for the arm to use and the pair asked about; all where none may be used."""
    results = dossier.results
    ship, pair = results.recommendation.ship, set(results.verdict.pair or ())
    wanted = [c for c in results.comparisons if ship in (None, c.a, c.b) or {c.a, c.b} == pair]
    rows = tuple(
        Row(
            cells=(
                Cell(text=f"{_name(dossier, found.a)} against {plain_name(found.b, arm_ids(results))}"),
                difference_cell(found.difference),
                Cell(text=f"{found.only_a:,} / {found.only_b:,}"),
                Cell(text=p_value(found.p_value)),
                Cell(text=_RELATION[found.relation]),
            ),
        )
        for found in wanted[:MOST_DIFFERENCES]
    )
    if not rows:
        return []
    n, how = wanted[0].difference.n, one_line(wanted[0].p_method)
    refs = dossier.cites.cite(f"Differences: run {dossier.run}, n={n:,} test items of both, {how}.")
    table = Table(
        columns=(
            Column(head=("first against second",), right=False),
            Column(head=("points", "(interval)")),
            Column(head=("only first / only", "second was right")),
            Column(head=("chance of this", "if equal (p)")),
            Column(head=("so the first is",), right=False),
        ),
        rows=rows,
    )
    caption = "Which differences are real, after allowing for all comparisons made."
    return [
        Grid(table=table, caption=caption, refs=((), refs, refs, refs, ()), shares=(3.6, 1.8, 1.7, 1.5, 2.2))
    ]


def _answered(answer: str) -> str:
    """The answer to the title's question; any other one as it is stored."""
    words = {
        "retrieve": "RAG rather than fine-tuning",
        "tune": "fine-tuning rather than RAG",
        "tied": "RAG and fine-tuning tied",
    }
    return words.get(answer, one_line(answer))


def _name(dossier: Dossier, arm: ArmId) -> str:
    return capital(plain_name(arm, arm_ids(dossier.results)))


def advice_part(dossier: Dossier) -> Part:
    """What was predicted before the run, against what was measured."""
    check = dossier.results.advice
    if check is None:
        return Part(key="advice", title="Prediction against measurement", blocks=())
    points = [
        said(
            "Predicted: ",
            Span(text=f"{_answered(check.answer)}, {option_name(check.first)} first", strong=True),
            ".",
        ),
        said(
            "Measured: ",
            Span(
                text=f"{_answered(check.measured_answer)}, {option_name(check.measured_first)} to use",
                strong=True,
            ),
            ".",
        ),
        *(said(in_plain_words(sentence, dossier.results)) for sentence in check.wrong),
    ]
    plan = short(dossier.results.plan_digest)
    refs = dossier.cites.cite(f"Prediction: advice on '{one_line(check.case)}', locked with plan {plan}.")
    table = Table(
        columns=(
            Column(head=("way of doing it",), right=False),
            Column(head=("figure",), right=False),
            Column(head=("predicted",)),
            Column(head=("measured",)),
            Column(head=("held",), right=False),
        ),
        rows=tuple(_checked_range(dossier, figure) for figure in check.figures),
        notes=("a range made for another model than the one that ran is shown and not counted",),
    )
    lead = said(
        f"{check.inside} of {check.tested} predicted ranges that could be tested held",
        Span(text=".", refs=refs),
    )
    return Part(
        key="advice",
        title="Prediction against measurement",
        lead=lead,
        blocks=(
            Points(items=tuple(points)),
            Grid(
                table=table,
                caption="Ranges predicted before the run, and what came of them.",
                shares=(2.6, 1.4, 2.4, 1.4, 2.6),
            ),
        ),
    )


def _checked_range(dossier: Dossier, figure: CheckedRange) -> Row:
    held = "-" if figure.inside is None else ("yes" if figure.inside else "no")
    if not figure.same_model:
        held = f"not tested (was for {one_line(figure.predicted_model)})"
    elif figure.busy:
        held = "not tested (timed on a busy machine)"
    low, high, measured = (
        worded(figure.metric, value, dossier.currency) for value in (figure.low, figure.high, figure.measured)
    )
    names = {"accuracy": "right answers", "p95_ms": "slow answer", "usd_per_1k": "per 1,000 queries"}
    cells = (
        capital(plain_name(figure.arm, arm_ids(dossier.results))),
        names.get(figure.metric, one_line(figure.metric)),
        f"{low} to {high}",
        measured + busy_mark(figure.busy),
        held,
    )
    return Row(cells=tuple(Cell(text=text) for text in cells), tone="warn" if held == "no" else "plain")
