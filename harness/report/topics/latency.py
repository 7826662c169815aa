"""How fast the answers are: one at a time under stated conditions, and of served arms under load. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.bakeoff.results import ArmResult
from harness.core.records import Estimate
from harness.core.wording import MISSING, busy_mark, counted, milliseconds, one_line, percent
from harness.load.records import ArmLoad, LoadResult, Quantile
from harness.money.records import ServingCost
from harness.recommendation.records import RunResults
from harness.report import drawings
from harness.report.context import ReportContext, reader_currency
from harness.report.document import (
    Cell,
    Command,
    CommandOn,
    Document,
    Paragraph,
    Row,
    Section,
    Table,
    section,
)
from harness.report.topics.cells import columns, drawn, row, timing_notes
from harness.report.topics.quality import diagnosed


def latency_section(c: ReportContext) -> Section:
    """The distribution of the timed queries, and their percentiles."""
    timed = [arm for arm in diagnosed(c) if arm.latency]
    spec, caption = drawings.times(timed), "One query at a time on a warm machine."
    return section(
        "latency",
        "Answer times",
        drawn("times", spec, "Distribution of answer times.", caption) if timed else None,
        _table(c) if any(arm.latency.p50_ms.n for arm in c.results.arms) else None,
    )


def _table(c: ReportContext) -> Table:
    """Percentiles with their intervals, n and conditions."""
    arms = c.results.arms
    conditions: dict[str, list[str]] = {}
    for arm in arms:
        conditions.setdefault(arm.latency.conditions, []).append(c.title(arm.arm))
    return Table(
        columns=columns(
            ("option", ""),
            ("p50", "ms"),
            ("p95", "ms"),
            ("p99", "ms"),
            ("slowest", "ms"),
            ("n", "timed"),
            ("queries a second", "in batches"),
        ),
        rows=tuple(_row(c, arm) for arm in arms),
        notes=(
            *(f"{', '.join(names)}: {said}" for said, names in conditions.items()),
            f"{MISSING} for a percentile: too few queries were timed to tell it from the slowest one",
            *timing_notes(arms, c.title),
        ),
    )


def _row(c: ReportContext, arm: ArmResult) -> Row:
    timed, rate = arm.latency, arm.latency.throughput_qps
    per_second = MISSING
    if rate.value is not None:
        per_second = f"{rate.value:,.{0 if rate.value >= 100 else 1}f}{busy_mark(rate.reason)}"
    return row(
        Cell(text=c.title(arm.arm), detail=arm.arm.label),
        *(_cell(figure, timed.busy) for figure in (timed.p50_ms, timed.p95_ms, timed.p99_ms)),
        milliseconds(timed.slowest_ms) + busy_mark("" if timed.slowest_ms is None else timed.busy),
        f"{timed.p50_ms.n:,}",
        per_second,
        key=one_line(str(arm.arm)),
    )


def _cell(figure: Estimate, busy: str) -> Cell:
    inside = ""
    if figure.low is not None and figure.high is not None:
        inside = f"{milliseconds(figure.low)}-{milliseconds(figure.high)}"
    return Cell(
        text=milliseconds(figure.value) + busy_mark("" if figure.value is None else busy), detail=inside
    )


def p95_section(c: ReportContext, limit_ms: float | None) -> Section:
    """The slow answers of every arm against what the plan allows."""
    known = [arm for arm in c.results.arms if arm.latency.p95_ms.value is not None]
    spec = drawings.p95(known, limit_ms)
    line = "" if limit_ms is None else f" Dashed: the plan allows {milliseconds(limit_ms)} ms."
    caption = f"95 % of the queries are answered within (p95).{line}"
    chart = drawn("p95", spec, f"p95 of every arm.{line}", caption)
    return section("p95", "How slow the slow answers are", chart if known else None)


def load_section(c: ReportContext) -> Section:
    """Every load test of the run, and what the rate at which an arm is full costs."""
    tests = [test for arm in c.results.load for test in arm.tests]
    full = (Paragraph(text=full_sentence(c, arm)) for arm in c.results.load if tests)
    return section("load", "Under load", _load_table(c, tests) if tests else None, *full)


def load_document(found: Sequence[LoadResult], results: RunResults, command: CommandOn) -> Document:
    """What one command measured, and what it means."""
    c = ReportContext(results=results, currency=reader_currency(results))
    shown = section(
        "load",
        "Under load",
        Paragraph(text=_lead(found[0])) if len(found) == 1 else None,
        _load_table(c, found),
        *(Paragraph(text=full_sentence(c, arm)) for arm in results.load if arm.arm == found[0].arm),
        Command(command=command("report", "--full"), purpose="shows it in the run's report"),
    )
    return Document(title="Load", sections=(shown,))


def full_sentence(c: ReportContext, load: ArmLoad) -> str:
    """The rate at which an arm is full, and the machines and money that its volume takes."""
    name, full = c.title(load.arm), load.full
    if full is None:
        return f"{name}: no load test shows a rate it holds without failures, within the latency allowed."
    least = "" if full.reached else "at least "
    held = "" if full.test.concurrency is None else f" with {full.test.concurrency} at once"
    rate = f"{name} answers {least}{full.per_second:.1f} questions a second{held}."
    forecast = c.forecast(load.arm)
    serving = None if forecast is None else forecast.serving
    if serving is None:
        return f"{rate} Its calls are billed by tokens, so the rate changes no price."
    return f"{rate} {_machines(c, serving)}"


def _machines(c: ReportContext, serving: ServingCost) -> str:
    volume = f"{c.results.outlook.business.queries_per_month:,} queries a month"
    if serving.machines is None or serving.utilisation is None:
        return "How many machines its volume takes is not known."
    number = counted(serving.machines, "machine", "machines")
    busy = f"busy {percent(serving.utilisation)} of the time"
    if serving.full_usd_per_1k is None:
        return f"For {volume} that is {number}, {busy}; its hour has no price: name it with --machine."
    return (
        f"For {volume} that is {number}, {busy}: {c.money(serving.whole_usd)} a month. A machine kept full "
        f"all the time costs {c.money(serving.full_usd_per_1k)} per 1,000 queries."
    )


def _load_table(c: ReportContext, tests: Sequence[LoadResult]) -> Table:
    return Table(
        columns=columns(
            ("option", ""),
            ("asked", ""),
            ("answered", "a second"),
            ("p50", "ms"),
            ("p95", "ms"),
            ("p99", "ms"),
            ("first word", "p50 / p95, ms"),
            ("failed", "of sent"),
        ),
        rows=tuple(_load_row(c, test) for test in tests),
        notes=tuple(_load_notes(tests)),
    )


def _load_row(c: ReportContext, test: LoadResult) -> Row:
    whole = [_said(one) for one in test.whole] or [MISSING] * 3
    first = " / ".join(milliseconds(one.seconds * 1000) for one in test.first if one.q < 0.99)
    asked = f"{test.rate:g} a second" if test.rate is not None else f"{test.concurrency} at once"
    return row(
        c.title(test.arm),
        asked,
        f"{test.per_second:,.1f}",
        *whole,
        first or MISSING,
        f"{sum(test.failures.values()):,} of {test.sent:,}",
        key=one_line(f"{test.arm} {asked}"),
    )


def _lead(found: LoadResult) -> str:
    asked = (
        f"{found.rate:g} questions a second"
        if found.rate is not None
        else counted(found.concurrency or 0, "question at once", "questions at once")
    )
    return (
        f"{found.arm.label} at {found.address} was asked {asked} for {found.duration_s:g} s: "
        f"{found.answered} of {found.sent} answered, {found.per_second:.1f} a second. {_kept_up(found)}"
    )


def _kept_up(found: LoadResult) -> str:
    if found.rate is None:
        return "So many at once, this is what it answers."
    if found.kept_up:
        return f"It kept up: the last answer came {found.drain_s:.1f} s after the last question was due."
    return (
        f"It did not keep up: answers came for another {found.drain_s:.1f} s. It answers about "
        f"{found.per_second:.1f} a second; ask fewer to see its times without a queue."
    )


def _said(one: Quantile) -> str:
    value = milliseconds(one.seconds * 1000)
    if one.interval is None:
        return f"{value} (an interval needs {one.needed} answers)"
    low, high = (milliseconds(bound * 1000) for bound in (one.interval.low, one.interval.high))
    return f"{value} ({low} to {high})"


def _load_notes(tests: Sequence[LoadResult]) -> list[str]:
    notes = ["Times count from when a question was due; behind each figure its 95 % interval."]
    kinds: Counter[str] = Counter()
    for test in tests:
        kinds.update(test.failures)
    if kinds:
        said = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        notes.append(f"Failures are in no figure: {said}.")
    late = max(
        (test.late_s for test in tests if test.whole and test.late_s > 0.1 * test.whole[0].seconds), default=0
    )
    if late:
        notes.append(
            f"This machine sent questions up to {milliseconds(late * 1000)} ms late (p95): its own waiting "
            "is in the times."
        )
    return notes
