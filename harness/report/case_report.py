"""The report on a use case that is not measured yet: the advice, its prices and the day they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from advisor.advice import Advice
from advisor.case import AnswerKind, UseCase
from advisor.commands import CommandPrices, advise
from advisor.errors import CaseError
from advisor.money.errors import CostError
from harness.core.context import Context
from harness.core.errors import UsageError, command
from harness.report.branding import Branding
from harness.report.files import Advised, write_case_report

_ROWS = {
    AnswerKind.CLASSIFICATION: ("--data", "rows.csv", "--text", "text", "--label", "label"),
    AnswerKind.EXTRACTION: ("--data", "rows.csv", "--text", "text", "--fields", "date,amount"),
    AnswerKind.QUESTION_ANSWERING: ("--docs", "documents", "--questions", "questions.csv"),
}
"""What a plan needs of one's own, by what an answer is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """Which use case, at the prices of which day ('' is today), with which run or drill as evidence."""

    case: Path
    price_at: str = ""
    evidence: str = ""


def advised(request: CaseReport, context: Context) -> Advised:
    """Advise on a use case, ready to be written.

    Raises:
        UsageError: if the use case, the day, a price or the run cannot be used.
    """
    day = _day(request.price_at, context)
    prices = CommandPrices(price_at=f"{day:%Y-%m-%d}", overrides=context.price_overrides)
    try:
        advice: Advice = advise(request.case, prices, request.evidence)
    except (CaseError, CostError) as error:
        raise UsageError(str(error)) from error
    tests = measuring(advice.case, request.case.name)
    return Advised(advice=advice, name=request.case.stem, day=day, command=tests)


def measuring(case: UseCase, name: str) -> str:
    """What to run to measure the advice on a use case in the file of this name; '' where nothing here can."""
    rows = _ROWS.get(AnswerKind.CLASSIFICATION if case.task is None else case.task)
    return "" if rows is None else command("plan", name, *rows)


def export_case(found: Advised, formats: Sequence[str], out_dir: Path, branding: Branding) -> list[Path]:
    """Write the prediction in each format; raises as `write_case_report`."""
    return write_case_report(replace(found, branding=branding), formats, out_dir)


def _day(price_at: str, context: Context) -> datetime:
    if not price_at:
        now = context.clock()
        return datetime(now.year, now.month, now.day, tzinfo=UTC)
    try:
        day = date.fromisoformat(price_at)
    except ValueError as error:
        raise UsageError("--price-at is no date.", got=price_at, allowed="such as 2027-01-15") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
