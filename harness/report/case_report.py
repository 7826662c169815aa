"""The report on a use case that is not measured yet: the advice, its prices and the day they are of."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from advisor.advice import Advice
from advisor.case import AnswerKind, UseCase
from advisor.commands import CommandPrices, advise
from advisor.errors import CaseError
from advisor.money.money import CostError
from harness.core.context import Context
from harness.core.errors import UsageError, command
from harness.report.files import Advised

_ROWS = {
    AnswerKind.CLASSIFICATION: ("--data", "rows.csv", "--text", "text", "--label", "label"),
    AnswerKind.EXTRACTION: ("--data", "rows.csv", "--text", "text", "--fields", "date,amount"),
    AnswerKind.QUESTION_ANSWERING: ("--docs", "documents", "--questions", "questions.csv"),
}
"""What a plan needs of one's own, by what an answer is."""


def advised(case: Path, context: Context, price_at: str = "", evidence: str = "") -> Advised:
    """Advise on a use case, ready to be written.

    Args:
        price_at: the day whose prices are taken; '' is today.
        evidence: a run or drill that counts.

    Raises:
        UsageError: if the use case, the day, a price or the run cannot be used.
    """
    day = _day(price_at, context)
    prices = CommandPrices(price_at=f"{day:%Y-%m-%d}", overrides=context.price_overrides)
    try:
        advice: Advice = advise(case, prices, evidence)
    except (CaseError, CostError) as error:
        raise UsageError(str(error)) from error
    return Advised(advice=advice, name=case.stem, day=day, command=measuring(advice.case, case.name))


def measuring(case: UseCase, name: str) -> str:
    """What to run to measure the advice on a use case in the file of this name; '' where nothing here can."""
    rows = _ROWS.get(AnswerKind.CLASSIFICATION if case.task is None else case.task)
    return "" if rows is None else command("plan", name, *rows)


def _day(price_at: str, context: Context) -> datetime:
    if not price_at:
        now = context.clock()
        return datetime(now.year, now.month, now.day, tzinfo=UTC)
    try:
        day = date.fromisoformat(price_at)
    except ValueError as error:
        raise UsageError("--price-at is no date.", got=price_at, allowed="such as 2027-01-15") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
