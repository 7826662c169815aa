"""Prices for a run: the dated price book for served models, a machine hour for what runs here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from advisor.money.machines import NO_MACHINE, Machine, find_machine, load_machines
from advisor.money.money import CostError, UnknownPrice
from advisor.money.price_book import Price, PriceBook
from advisor.money.price_sources import check_day, load_price_book
from harness.bakeoff.addresses import embedding_identity, ranking_identity
from harness.bakeoff.cost import ArmPrices, MachineRate, SearchPrices
from harness.bakeoff.plan import ExperimentPlan
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import ModelIdentity

LOCAL_MACHINE = "cpu-2"


def open_book(plan: ExperimentPlan, context: Context) -> PriceBook:
    """The price book at the plan's price date.

    Raises:
        UsageError: if an override or the price file is wrong.
    """
    as_of = datetime.combine(plan.cost.price_date, time(), tzinfo=UTC)
    file = Path(plan.cost.prices_file) if plan.cost.prices_file else None
    try:
        return load_price_book(as_of, price_file=file, overrides=_stated(plan, context))
    except CostError as error:
        raise UsageError(str(error)) from error


def with_stated_prices(plan: ExperimentPlan, context: Context) -> ExperimentPlan:
    """The plan with the prices that the command states: locked with it, they hold when it is scored again."""
    if not context.price_overrides:
        return plan
    cost = plan.cost.model_copy(update={"prices": _stated(plan, context)})
    return plan.model_copy(update={"cost": cost})


def _stated(plan: ExperimentPlan, context: Context) -> tuple[str, ...]:
    """Prices of the plan, and of the command, which come before them."""
    texts = (*plan.cost.prices, *context.price_overrides)
    return tuple({text.partition("=")[0]: text for text in texts}.values())


def check_price_day(day: date, context: Context) -> None:
    """Refuse a day for which no price is known, unless the user brings prices.

    Raises:
        UsageError: if the public prices say nothing about it.
    """
    if context.price_overrides:
        return
    try:
        check_day(day)
    except CostError as error:
        raise UsageError(str(error)) from error


def machine_stated(plan: ExperimentPlan) -> bool:
    """Whether somebody named the machine, or the price of its hour."""
    return bool(plan.cost.machine) or plan.cost.machine_hour_usd is not None


def machine_of(plan: ExperimentPlan) -> Machine:
    """What local arms run on: the machine of the plan, else one with two virtual CPUs.

    Raises:
        UsageError: if no price is known for the machine named.
    """
    try:
        hour = plan.cost.machine_hour_usd
        name = plan.cost.machine or (LOCAL_MACHINE if hour is None else "this machine")
        return find_machine(name, load_machines(), hour)
    except CostError as error:
        raise UsageError(
            error.what,
            got=error.got,
            allowed=error.allowed,
            run="name one of these with --machine, or give the price of an hour with --machine-hour-usd",
        ) from error


def machine_rate(plan: ExperimentPlan) -> MachineRate:
    """What the time of the machine costs that local arms run on."""
    machine, stated = machine_of(plan), machine_stated(plan)
    return MachineRate(machine=machine, utilisation=plan.cost.utilisation, stated=stated)


def prices_for(identity: ModelIdentity | None, plan: ExperimentPlan, book: PriceBook) -> ArmPrices:
    """What an arm of a plan on this model is priced with."""
    answers = _answer_prices(identity, book, machine_rate(plan))
    embedding, ranking = embedding_identity(plan), ranking_identity(plan)
    search = SearchPrices(
        embedding=token_price(embedding, book),
        ranking=token_price(ranking, book),
        embeds=by_tokens(embedding, book),
        ranks=by_tokens(ranking, book),
    )
    return ArmPrices(answers=answers, search=search)


def _answer_prices(
    identity: ModelIdentity | None, book: PriceBook, rate: MachineRate
) -> MachineRate | Price | None:
    """Prices of what answers; None when they are not known.

    The machine of a server here is known only where somebody named it.
    """
    if by_tokens(identity, book):
        return token_price(identity, book)
    served = identity is not None and identity.location == "loopback"
    return replace(rate, machine=NO_MACHINE) if served and not rate.stated else rate


def by_tokens(identity: ModelIdentity | None, book: PriceBook) -> bool:
    """Whether a model is paid for by tokens rather than by the time of a machine.

    A server on this machine may be a gateway that bills, or a model that runs here: a price the user
    states for it says that it bills.
    """
    if identity is None or identity.location == "local":
        return False
    price = token_price(identity, book)
    return identity.location == "remote" or (price is not None and price.stated)


def token_price(identity: ModelIdentity | None, book: PriceBook) -> Price | None:
    """The price of a served model's tokens, None when none is known.

    Of a server on this machine only a price that the user states: its name may be anybody's.
    """
    if identity is None:
        return None
    try:
        price = book.price(identity.id)
        in_batches = book.price(identity.id, context="batch") if identity.in_batches else price
    except UnknownPrice:
        return None
    if in_batches.usd_per_mtok.known:  # else no discount is assumed
        price = in_batches
    return price if price.stated or identity.location == "remote" else None
