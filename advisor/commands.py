"""What the commands do, as text: read the case and the prices, advise, render. No command line in here.

The impure edge: files, the clock and prices are read here, the rest is pure.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from advisor.advice import Advice, plain
from advisor.assumed import Assumptions, load_assumptions, rates
from advisor.case import AnswerKind, DatedRate, UseCase
from advisor.case_file import numbers_read, parse_case, read_case_text
from advisor.economics import Market, PriceSheet
from advisor.errors import CaseError
from advisor.money.change_rate import MeasuredUpdate
from advisor.money.machines import load_machines
from advisor.money.money import CostError, ExchangeRate, Scenario, from_usd, typed
from advisor.money.price_book import PriceBook
from advisor.money.price_sources import load_price_book, reference_rate
from advisor.reading import MOST_BYTES
from advisor.recommend import Basis, recommend
from advisor.rubric.rubric import load_bands, load_rubric

_ROWS = {
    AnswerKind.CLASSIFICATION: ("--data", "rows.csv", "--text", "text", "--label", "label"),
    AnswerKind.EXTRACTION: ("--data", "rows.csv", "--text", "text", "--fields", "date,amount"),
    AnswerKind.QUESTION_ANSWERING: ("--docs", "documents", "--questions", "questions.csv"),
}
"""What a plan needs of one's own, by what an answer is."""


def measuring(case: UseCase, name: str) -> str:
    """What to run to measure the advice on a use case in the file of this name; '' where nothing here can."""
    rows = _ROWS.get(AnswerKind.CLASSIFICATION if case.task is None else case.task)
    return "" if rows is None else shlex.join(("harness", "plan", name, *rows))


def price_sheet(case: UseCase, assumptions: Assumptions, book: PriceBook) -> PriceSheet:
    """Prices of the hosted model of each scenario, of the embedding model, and of machines.

    Raises:
        UnknownPrice: if the model named has no price.
    """
    named = {s: case.api_model or assumptions.models[s] for s in Scenario}
    prices = {name: book.price(name) for name in dict.fromkeys(named.values())}
    return PriceSheet(
        api={s: prices[name] for s, name in named.items()},
        embedding=book.price(assumptions.embedding),
        machines=load_machines(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPrices:
    """What the command line says about prices.

    Attributes:
        price_at: prices of that day, YYYY-MM-DD; today when None.
        file: the user's prices.yaml.
        overrides: texts such as 'openai/gpt-6-luna=0.10/0.50'.
        machine_hour: dollars an hour of the serving machine.
        exchange: the rate of the use case's currency, in the place of its own.
    """

    price_at: str | None = None
    file: Path | None = None
    overrides: tuple[str, ...] = ()
    machine_hour: str | None = None
    exchange: ExchangeRate | None = None


def advise(path: Path, prices: CommandPrices, run: str = "") -> Advice:
    """Read a use case ('-' is stdin) and advise on it; what `run` measured counts first.

    Raises:
        CaseError: if the use case, the date or the run cannot be used.
        CostError: if a price is not known.
    """
    case, read = _read(path, prices)
    updates: tuple[MeasuredUpdate, ...] = ()
    if run:
        from advisor.run_evidence import change_sentence, read_run, update_sentence, with_evidence

        found = read_run(run)
        updates = found.updates
        case = with_evidence(case, found)
        names = ", ".join(one.option.value for one in found.measured)
        read = (
            *read,
            f"measured in run {found.run_id}, and so before every published range: {names}",
            *(f"drilled in run {found.run_id}: {change_sentence(one, case)}" for one in found.changes),
            *filter(None, [update_sentence(updates)]),
        )
    market = replace(open_market(case, prices), drilled=updates)
    basis = Basis(rubric=load_rubric(), market=market, bands=load_bands())
    advice = recommend(case, basis)
    return replace(advice, notes=(*advice.notes, *read))


def _read(path: Path, prices: CommandPrices) -> tuple[UseCase, tuple[str, ...]]:
    """A use case with the machine hour of the command line, and how its numbers were read where not plain.

    Raises:
        CaseError: if it cannot be used.
        CostError: if the machine hour is no amount.
    """
    piped = str(path) == "-"
    text, source = (_stdin(), "stdin") if piped else (read_case_text(path), path.name)
    case, read = with_rate(parse_case(text, source), prices), numbers_read(text, source)
    if prices.machine_hour is None:
        return case, read
    hour = from_usd(typed(prices.machine_hour, "price of a machine hour"), case.currency, rates(case))
    return replace(case, machine_hour_cost=hour), read


def with_rate(case: UseCase, prices: CommandPrices) -> UseCase:
    """The use case with a rate of its currency: its own, that of the command line, or the reference rate.

    Raises:
        CaseError: if the date is none.
        CostError: if no rate is known.
    """
    rate = prices.exchange
    if rate is not None and rate.currency != case.currency:
        raise CostError(
            f"The rate is one of {rate.currency}, and the use case is in {case.currency}.",
            got=rate.currency,
            allowed=case.currency,
        )
    if case.currency == "USD":
        return case
    rate = (
        rate
        or next(iter(rates(case)), None)
        or reference_rate(case.currency, _moment(prices.price_at).date())
    )
    return replace(case, usd_rate=DatedRate(per_usd=rate.per_usd, as_of=rate.as_of, source=rate.source))


def _stdin() -> str:
    try:
        return sys.stdin.read(MOST_BYTES + 1)
    except UnicodeDecodeError:
        raise CaseError("stdin is not UTF-8.") from None


def open_market(case: UseCase, prices: CommandPrices) -> Market:
    """Prices and assumptions for a case.

    Raises:
        CaseError: if the date is none.
        CostError: if a price is not known.
    """
    assumptions = load_assumptions()
    book = load_price_book(
        _moment(prices.price_at), price_file=prices.file, overrides=prices.overrides, exchange=rates(case)
    )
    return Market(sheet=price_sheet(case, assumptions, book), assumptions=assumptions)


def _moment(price_at: str | None) -> datetime:
    if price_at is None:
        return datetime.now(UTC)
    try:
        return datetime.combine(date.fromisoformat(price_at), time(), tzinfo=UTC)
    except ValueError:
        raise CaseError("--price-at is no date.", got=price_at, allowed="YYYY-MM-DD") from None


def assess_text(path: Path, prices: CommandPrices, *, run: str, as_json: bool, verbose: bool) -> str:
    """The output of `advisor assess`."""
    advice = advise(path, prices, run)
    if as_json:
        return as_json_text(advice)
    from advisor.text import advice_text

    test = measuring(advice.case, "CASE.yaml" if str(path) == "-" else str(path))
    text = advice_text(advice, verbose=verbose)
    return f"{text}\nNext, to measure it on rows of your own: {test}\n" if test else text


def cost_text_of(path: Path, prices: CommandPrices, *, as_json: bool) -> str:
    """The output of `advisor cost`."""
    from advisor.cost_sheet import cost_sheet, cost_text

    case, _ = _read(path, prices)
    sheet = cost_sheet(case, open_market(case, prices))
    return as_json_text(sheet) if as_json else cost_text(sheet)


def as_json_text(value: object) -> str:
    """A record as ASCII-only JSON."""
    return json.dumps(plain(value), indent=2, ensure_ascii=True) + "\n"
