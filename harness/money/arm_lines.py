"""The ledger of an arm beyond its queries' tokens: machine time, index, fitting, and every change."""

from __future__ import annotations

from decimal import Decimal

from advisor.money.ledger import LedgerLine, PriceBasis, line, scaled
from advisor.options import Option
from harness.bakeoff.results import ArmResult
from harness.core.wording import percent
from harness.money.inputs import CostInputs, End, plus, times
from harness.money.records import ArmGrounds

NOT_REFITTED = (Option.PROMPT, Option.FLOOR)
SEARCH_LINES = ("searching", "machines, searching", "index hosting")
CHANGE_LINES = ("changes", "new rows", "fitting again", "failed trainings", "indexing again")
PEOPLE_LINE, WRONG_LINE = "running", "wrong answers"  # as `advisor.money.tco` calls them

_PER_1K = Decimal(1000)
_SECONDS_PER_HOUR = Decimal(3600)


def query_lines(
    arm: ArmResult, known: ArmGrounds, given: CostInputs, end: End, *, whole: bool
) -> tuple[LedgerLine, ...]:
    """One query: tokens as in the measured ledger, and the seconds of a shared machine.

    Args:
        whole: it has machines of its own, so their time is not paid by the query.
    """
    tokens = [entry for entry in arm.cost.lines if entry.unit != "hours"]
    lines = list(scaled(tokens, 1 / _PER_1K))
    runs_here, searches = len(tokens) < len(arm.cost.lines), arm.arm.option.traits.searches
    if runs_here and not whole:
        busy, search = known.busy_s_per_query, known.search_s_per_query or 0.0 if searches else 0.0
        lines.append(
            _shared(
                f"machine time at {percent(given.business.utilisation, 0)} utilisation",
                None if busy is None else max(0.0, busy - search),
                given,
                end,
            )
        )
        if search:
            lines.append(_shared("searching", search, given, end))
    elif searches and not runs_here:
        lines.append(_shared("searching", known.search_s_per_query, given, end))
    return tuple(lines)


def _shared(name: str, seconds: float | None, given: CostInputs, end: End) -> LedgerLine:
    """Busy time on a shared machine; dividing by the utilisation pays for its idle time."""
    hours = None
    if seconds is not None:
        hours = Decimal(str(seconds)) / _SECONDS_PER_HOUR / Decimal(str(given.business.utilisation))
    return line(name, hours, "hours", given.hour_usd(end), given.machine_basis, given.machine_source)


def index_lines(option: Option, given: CostInputs, end: End) -> tuple[LedgerLine, ...]:
    """Hosting of an index, a month."""
    price = given.figure("index_usd_per_month", end)
    if not option.traits.searches or price == 0:
        return ()
    source = given.said("index_usd_per_month")
    return (line("index hosting", Decimal(1), "months", price, PriceBasis.ESTIMATE, source),)


def once_lines(option: Option, known: ArmGrounds, given: CostInputs, end: End) -> tuple[LedgerLine, ...]:
    """Fitting as it was measured, and the labels: those of the run are there already."""
    there = f"the {given.train_rows:,} training and {given.test_rows:,} test rows are labelled already"
    price = given.figure("example_usd", end)
    labels = line("labels to buy", Decimal(0), "items", price, PriceBasis.MEASURED, there)
    if option in NOT_REFITTED:
        return (labels,)
    name = "first index" if option is Option.RETRIEVE else "fitting"
    return (labels, _machine_time(name, known.refit_s, Decimal(1), given, end))


def change_lines(option: Option, known: ArmGrounds, given: CostInputs, end: End) -> tuple[LedgerLine, ...]:
    """A month's changes: new labels need new rows and fitting, new knowledge an index or a training."""
    if option in NOT_REFITTED:
        return ()
    labels = given.figure("label_changes_per_month", end)
    knowledge = given.figure("knowledge_changes_per_month", end)
    bought = times(labels, given.figure("rows_per_label_change", end))
    price, source = given.figure("example_usd", end), given.said("rows_per_label_change")
    lines = [line("new rows", bought, "items", price, PriceBasis.ESTIMATE, source)]
    index_s = None if known.search_s_per_query is None else known.search_s_per_query * given.train_rows
    match option:
        case Option.RETRIEVE:
            lines.append(_machine_time("indexing again", index_s, plus(labels, knowledge), given, end))
        case Option.TUNE_RETRIEVE:
            lines += _trainings(known.refit_s, labels, given, end)
            lines.append(_machine_time("indexing again", index_s, knowledge, given, end))
        case Option.TUNE:
            lines += _trainings(known.refit_s, plus(labels, knowledge), given, end)
        case _:
            lines.append(_machine_time("fitting again", known.refit_s, labels, given, end))
    return tuple(lines)


def _trainings(seconds: float | None, count: Decimal | None, given: CostInputs, end: End) -> list[LedgerLine]:
    """Trainings that work, and those lost to crashes and bad recipes: `failed_share` of all started."""
    failed = given.figure("failed_share", end)
    lost = None
    if count == 0:
        lost = count
    elif failed is not None and count is not None and failed < 1:
        lost = count * failed / (1 - failed)
    return [
        _machine_time("fitting again", seconds, count, given, end),
        _machine_time("failed trainings", seconds, lost, given, end),
    ]


def _machine_time(
    name: str, seconds: float | None, count: Decimal | None, given: CostInputs, end: End
) -> LedgerLine:
    hours = None if seconds is None else Decimal(str(seconds)) / _SECONDS_PER_HOUR
    price = given.hour_usd(end)
    return line(name, times(count, hours), "hours", price, given.machine_basis, given.machine_source)
