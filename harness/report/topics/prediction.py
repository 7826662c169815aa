"""The advice against the measurement. Pure."""

from __future__ import annotations

from advisor.sentences import capital
from harness.core.records import ArmId
from harness.core.wording import MISSING, USD, Currency, busy_mark, milliseconds, money, one_line, percent
from harness.report.context import ReportContext
from harness.report.document import Bullets, Cell, Fact, Facts, Section, Span, Table, Tone, said, section
from harness.report.topics.cells import columns, option_name, row
from harness.report.topics.sources import short
from harness.track_record.records import AdviceCheck, CheckedRange

METRICS = {"accuracy": "right answers", "p95_ms": "slow answer (p95)", "usd_per_1k": "1,000 queries"}


def prediction_section(c: ReportContext) -> Section:
    """Predicted against measured; no blocks where the plan held no advice."""
    title, check = "Predicted against measured", c.results.advice
    if check is None:
        return section("advice", title)
    plan = short(c.results.plan_digest)
    cited = (f"Prediction: advice on '{check.case}', locked with plan {plan}.",)
    lead = said(
        f"{check.inside} of {check.tested} predicted ranges that could be tested held",
        Span(text=".", sources=cited),
    )
    rows = (
        Fact(label="Predicted", text=f"{_answered(check.answer)}; {option_name(check.first)} first"),
        Fact(
            label="Measured",
            text=f"{_answered(check.measured_answer)}; {option_name(check.measured_first)} to use",
        ),
    )
    wrong = wrong_sentences(c, check)
    nowhere = ("nowhere, as far as it was tested",)
    tone: Tone = "warn" if wrong else "plain"
    return section(
        "advice",
        title,
        Facts(rows=rows),
        Bullets(label="Where the advice was wrong", items=wrong or nowhere, tone=tone),
        _table(c, check),
        lead=lead,
    )


def wrong_sentences(c: ReportContext, check: AdviceCheck) -> tuple[str, ...]:
    """Where the advice was wrong, one sentence each."""
    found = []
    if check.wrong_answer:
        measured = _answered(check.measured_answer)
        found.append(f"It said {_answered(check.answer)}; measured on the models of this run: {measured}.")
    if check.wrong_first:
        ships = option_name(check.measured_first)
        found.append(f"It placed {option_name(check.first)} first; {ships} is what this run would ship.")
    for one in check.outside:
        figures = [worded(one.metric, value, c.currency) for value in (one.measured, one.low, one.high)]
        what = METRICS.get(one.metric, one.metric)
        found.append("{}: {} {}, outside {} to {}.".format(capital(c.name(one.arm)), what, *figures))
    return tuple(found)


def _answered(answer: str) -> str:
    """The answer to the title's question; any other one as it is stored."""
    words = {
        "retrieve": "RAG rather than fine-tuning",
        "tune": "fine-tuning rather than RAG",
        "tied": "RAG and fine-tuning tied",
    }
    return words.get(answer, answer)


def _table(c: ReportContext, check: AdviceCheck) -> Table:
    notes = (
        "first what was measured, below it what was predicted before the run and locked with the plan; a "
        "range made for another model than the one that ran is shown, and not counted",
        *(
            ("! timed on a busy machine: shown, and not counted",)
            if any(f.busy for f in check.figures)
            else ()
        ),
    )
    metrics = list(dict.fromkeys(figure.metric for figure in check.figures))
    rows: dict[ArmId, dict[str, CheckedRange]] = {}
    for figure in check.figures:
        rows.setdefault(figure.arm, {})[figure.metric] = figure
    return Table(
        columns=columns("option", *(METRICS.get(metric, metric) for metric in metrics)),
        rows=tuple(
            row(
                _option(c, arm, tuple(found.values())),
                *(_cell(c, found.get(metric)) for metric in metrics),
                tone="warn" if any(one.inside is False for one in found.values()) else "plain",
                key=one_line(str(arm)),
            )
            for arm, found in rows.items()
        ),
        notes=notes,
    )


def _option(c: ReportContext, arm: ArmId, figures: tuple[CheckedRange, ...]) -> Cell:
    """The option's name, and the models its ranges were made for where another one ran."""
    others = dict.fromkeys(one.predicted_model for one in figures if not one.same_model)
    return Cell(text=c.title(arm), detail=f"predicted for {', '.join(others)}" if others else "")


def _cell(c: ReportContext, figure: CheckedRange | None) -> Cell:
    """What was measured, and below it what was predicted."""
    if figure is None:
        return Cell(text=MISSING)
    low, high, measured = (
        worded(figure.metric, value, c.currency) for value in (figure.low, figure.high, figure.measured)
    )
    unit = high[len(high.rstrip(" %ms")) :]  # said once
    held = "outside: " if figure.inside is False and figure.same_model else ""
    return Cell(
        text=measured + busy_mark(figure.busy),
        detail=f"{held}{low.removesuffix(unit)} to {high}",
    )


def worded(metric: str, value: float | None, currency: Currency = USD) -> str:
    """A predicted or measured figure, by what it is of."""
    if value is None:
        return MISSING
    match metric:
        case "accuracy":
            return percent(value)
        case "p95_ms":
            return f"{milliseconds(value)} ms"
        case _:
            return money(value, currency)
