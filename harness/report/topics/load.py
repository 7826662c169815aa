"""Served arms under load: what they answer a second, how long it takes, what that costs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.wording import MISSING, counted, milliseconds, one_line, percent
from harness.load.records import ArmLoad, LoadResult, Quantile
from harness.money.records import ServingCost
from harness.recommendation.records import RunResults
from harness.report.context import ReportContext, reader_currency
from harness.report.document import Block, Command, CommandOn, Document, Paragraph, Row, Section, Table
from harness.report.topics.arms import title_of
from harness.report.topics.cells import cells, columns


def load_section(c: ReportContext) -> Section:
    """Every load test of the run, and what the rate at which an arm is full costs."""
    tests = [test for arm in c.results.load for test in arm.tests]
    blocks: list[Block] = [_table(c, tests)]
    blocks += [Paragraph(text=full_sentence(c, arm)) for arm in c.results.load]
    return Section(key="load", title="Under load", blocks=tuple(blocks) if tests else ())


def load_document(found: Sequence[LoadResult], results: RunResults, command: CommandOn) -> Document:
    """What one command measured, and what it means."""
    c = ReportContext(results=results, currency=reader_currency(results))
    arms = [arm for arm in results.load if arm.arm == found[0].arm]
    blocks: list[Block] = [Paragraph(text=_lead(found[0]))] if len(found) == 1 else []
    blocks.append(_table(c, found))
    blocks += [Paragraph(text=full_sentence(c, arm)) for arm in arms]
    blocks.append(Command(command=command("report", "--full"), purpose="shows it in the run's report"))
    return Document(title="Load", sections=(Section(key="load", title="Under load", blocks=tuple(blocks)),))


def full_sentence(c: ReportContext, load: ArmLoad) -> str:
    """The rate at which an arm is full, and the machines and money that its volume takes."""
    name, full = title_of(c)(load.arm), load.full
    if full is None:
        return f"{name}: no load test shows a rate it holds without failures, within the latency allowed."
    least = "" if full.reached else "at least "
    rate = f"{name} answers {least}{full.per_second:.1f} questions a second{_held(full.test)}."
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


def _held(test: LoadResult) -> str:
    return f" with {test.concurrency} at once" if test.concurrency is not None else ""


def _table(c: ReportContext, tests: Sequence[LoadResult]) -> Table:
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
        rows=tuple(_row(c, test) for test in tests),
        notes=tuple(_notes(tests)),
    )


def _row(c: ReportContext, test: LoadResult) -> Row:
    whole = [_said(one) for one in test.whole] or [MISSING] * 3
    first = " / ".join(milliseconds(one.seconds * 1000) for one in test.first if one.q < 0.99)
    asked = f"{test.rate:g} a second" if test.rate is not None else f"{test.concurrency} at once"
    return Row(
        cells=cells(
            title_of(c)(test.arm),
            asked,
            f"{test.per_second:,.1f}",
            *whole,
            first or MISSING,
            f"{sum(test.failures.values()):,} of {test.sent:,}",
        ),
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


def _notes(tests: Sequence[LoadResult]) -> list[str]:
    notes = ["Times count from when a question was due; behind each figure its 95 % interval."]
    kinds: dict[str, int] = {}
    for test in tests:
        for kind, count in test.failures.items():
            kinds[kind] = kinds.get(kind, 0) + count
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
